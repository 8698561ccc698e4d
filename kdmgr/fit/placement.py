"""Which layers go where: onto one device as far as it holds them, the rest to the host.

Order as in llama.cpp: the output layer first, then blocks from the last to the first
(`-ngl` counts them so). Several devices: the one with most free memory, as Ollama chooses for a model
that fits one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kdmgr.fit.compute import device_compute, host_compute, output_buffer, staging_compute
from kdmgr.fit.kv_cache import layer_bytes
from kdmgr.fit.machine import Device, Machine
from kdmgr.fit.options import ResolvedOptions
from kdmgr.fit.overhead import HOST_RUNTIME, device_overhead
from kdmgr.fit.plan import Components, DevicePlan, MemoryPlan
from kdmgr.gguf.shape import ModelShape
from kdmgr.units import MIB

MARGIN = 1024 * MIB
"""What llama.cpp leaves free on each device (LLAMA_ARG_FIT_TARGET)."""


@dataclass(frozen=True, slots=True)
class _Costs:
    """Everything that does not depend on how many layers are offloaded."""

    shape: ModelShape
    kv: tuple[int, ...] | None
    device_compute: int | None
    host_compute: int | None
    staging: int | None
    output: int | None

    @property
    def n_layers(self) -> int:
        return self.shape.n_layer + 1


def place(shape: ModelShape, options: ResolvedOptions, machine: Machine) -> MemoryPlan:
    """The plan that an engine with these options would come to on `machine`."""
    costs = _cost(shape, options)
    device = choose_device(machine)
    if device is None or options.n_gpu_layers == 0:
        return _assemble(costs, machine, None, 0)
    if options.n_gpu_layers is not None:
        return _assemble(costs, machine, device, min(options.n_gpu_layers, costs.n_layers))
    if _on_device(costs, device, costs.n_layers).known <= device.free_bytes:
        return _assemble(costs, machine, device, costs.n_layers)
    return _assemble(costs, machine, device, _most_layers(costs, device))


def choose_device(machine: Machine) -> Device | None:
    """The device with most free memory; None on a machine without one."""
    return max(machine.devices, key=lambda device: device.free_bytes, default=None)


def _cost(shape: ModelShape, options: ResolvedOptions) -> _Costs:
    return _Costs(
        shape=shape,
        kv=layer_bytes(shape.attention, options) if shape.attention else None,
        device_compute=device_compute(shape, options),
        host_compute=host_compute(shape, options),
        staging=staging_compute(shape, options),
        output=output_buffer(shape, options),
    )


def _most_layers(costs: _Costs, device: Device) -> int:
    budget = device.free_bytes - MARGIN
    counts = range(costs.n_layers, 0, -1)
    return next((n for n in counts if _on_device(costs, device, n).known <= budget), 0)


def _assemble(costs: _Costs, machine: Machine, device: Device | None, n_gpu_layers: int) -> MemoryPlan:
    plans = tuple(
        DevicePlan(
            name=each.name,
            kind=each.backend.value,
            total_bytes=each.total_bytes,
            free_bytes=each.free_bytes,
            n_layers=n_gpu_layers if each is device else 0,
            components=_on_device(costs, each, n_gpu_layers) if each is device else Components(),
        )
        for each in machine.devices
    )
    host = DevicePlan(
        name=machine.host.cpu or "CPU",
        kind="host",
        total_bytes=machine.host.total_bytes,
        free_bytes=machine.host.available_bytes,
        n_layers=costs.n_layers - n_gpu_layers,
        components=_on_host(costs, n_gpu_layers),
    )
    return MemoryPlan(plans, host, n_gpu_layers, costs.n_layers)


def _on_device(costs: _Costs, device: Device, n_gpu_layers: int) -> Components:
    if n_gpu_layers == 0:
        return Components()
    weights, blocks = costs.shape.weights, n_gpu_layers - 1
    first = costs.shape.n_layer - blocks
    compute = costs.device_compute
    if compute is not None and blocks < costs.shape.n_layer:
        # Large batches are multiplied on the GPU even where the weights stay with the CPU: room for one.
        compute += weights.largest
    return Components(
        weights=weights.output_layer + sum(weights.blocks[first:]),
        kv_cache=None if costs.kv is None else sum(costs.kv[first:]),
        recurrent=None if costs.kv is None else 0,
        compute=compute,
        overhead=device_overhead(device).size,
    )


def _on_host(costs: _Costs, n_gpu_layers: int) -> Components:
    weights = costs.shape.weights
    left = costs.shape.n_layer - max(n_gpu_layers - 1, 0)
    if n_gpu_layers == 0:
        held, compute = weights.total, costs.host_compute
    else:
        held, compute = weights.input + sum(weights.blocks[:left]), costs.staging
        if left and compute is not None and costs.host_compute is not None:
            compute = max(compute, costs.host_compute)
    unknown = costs.kv is None
    return replace(
        Components(weights=held, overhead=HOST_RUNTIME),
        kv_cache=None if costs.kv is None else sum(costs.kv[:left]),
        recurrent=None if unknown else 0,
        compute=None if compute is None or costs.output is None else compute + costs.output,
    )
