"""Which layers go where: as the engine would put them, on one device or several, the rest to the host.

Sources: llama.cpp, common/fit.cpp (fitting) and src/llama-model.cpp (the default split); Ollama 0.30,
server/sched.go (one device or all). Ollama up to 0.11.4 has an arithmetic of its own: `kdmgr.fit.estimator`; so
has its own engine up to 0.24: `kdmgr.fit.ollama_engine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kdmgr.fit.filling import fill, split_by_share
from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.graph.builder import Kept, Place
from kdmgr.fit.layout import Costs, Share
from kdmgr.fit.machine import Backend, Device, Machine
from kdmgr.fit.options import MARGIN, EngineBuild, ResolvedOptions, SplitMode
from kdmgr.fit.overhead import device_overhead, host_overhead
from kdmgr.fit.plan import Components, DevicePlan, MemoryPlan
from kdmgr.gguf.shape import ModelShape

if TYPE_CHECKING:
    from kdmgr.fit.estimator import Estimate

# Ollama 0.30 runs a model on one GPU when its own estimate takes no more than this share of its free memory.
_ONE_GPU_SHARE = 0.8


def place(shape: ModelShape, options: ResolvedOptions, machine: Machine) -> MemoryPlan:
    """The plan that an engine with these options would come to on `machine`."""
    if options.in_ollamas_engine:
        from kdmgr.fit.ollama_engine.placing import place_in_ollamas_engine

        return place_in_ollamas_engine(shape, options, machine)
    if options.engine_build.estimates:
        from kdmgr.fit.estimator import estimate

        estimated = estimate(shape, options, machine)
        if estimated is not None:
            return _follow_estimate(shape, options, machine, estimated)
    devices = usable_devices(machine)
    chosen = _choose_devices(shape, options, devices)
    if options.n_gpu_layers == 0 or not chosen:
        costs = Costs(shape, options, 0)
        return assemble(costs, machine, (), [Place()] * costs.n_layers)
    costs = make_costs(shape, options, chosen)
    if options.split_mode is SplitMode.ROW and len(chosen) > 1:
        return _split_rows(costs, machine, chosen)
    return assemble(costs, machine, chosen, lay_out(costs, chosen))


def make_costs(shape: ModelShape, options: ResolvedOptions, devices: Sequence[Device]) -> Costs:
    """What the layers cost on `devices`."""
    return Costs(shape, options, len(devices), widens_cache=_widens_cache(options, devices))


def _follow_estimate(shape: ModelShape, options: ResolvedOptions, machine: Machine, estimated: Estimate) -> MemoryPlan:
    """What is allocated when as many layers are offloaded as Ollama's estimate says, or as were asked for."""
    chosen = tuple(machine.devices[index] for index in estimated.devices)
    costs = Costs(shape, options, len(chosen))
    n_gpu_layers = 0
    if chosen:
        n_gpu_layers = estimated.n_layers if options.n_gpu_layers is None else options.n_gpu_layers
    places = _split_blocks_first(estimated, n_gpu_layers)
    # Layers that only predict further tokens were counted, but lie beyond those that run.
    places = [*places[: shape.n_layer], places[-1]]
    return replace(assemble(costs, machine, chosen, places), estimate=estimated)


def _split_blocks_first(estimated: Estimate, n_gpu_layers: int) -> list[Place]:
    """The last `n_gpu_layers` blocks; the output layer goes last (llama.cpp of 2025, src/llama-model.cpp)."""
    n_layers = estimated.n_model_layers
    count = min(n_gpu_layers, n_layers)
    start = max(n_layers - 1 - count, 0)
    places = [Place()] * start
    for index, n in enumerate(split_by_share(count, estimated.device_layers) if count else ()):
        places += [Place(index)] * n
    return [*places, *[Place()] * (n_layers - len(places))]


def usable_devices(machine: Machine) -> tuple[Device, ...]:
    """The devices that an engine would use: of the library with most memory, and no integrated GPU beside others."""
    if not machine.devices:
        return ()
    memory: dict[object, int] = {}
    for device in machine.devices:
        memory[device.backend] = memory.get(device.backend, 0) + device.total_bytes
    library = max(memory, key=lambda backend: memory[backend])
    found = tuple(device for device in machine.devices if device.backend is library)
    return tuple(device for device in found if not device.unified) or found


def budget(device: Device) -> int:
    """Bytes that the engine's buffers may take on `device`: what is free, without the driver's context."""
    return max(device.free_bytes - (device_overhead(device).size or 0), 0)


def _widens_cache(options: ResolvedOptions, devices: Sequence[Device]) -> bool:
    """Whether the compute buffers hold an f16 copy of a quantised cache: CUDA and ROCm since May 2026."""
    library = devices[0].backend in (Backend.CUDA, Backend.ROCM)
    return library and options.engine_build.limits_outputs


def _choose_devices(shape: ModelShape, options: ResolvedOptions, devices: tuple[Device, ...]) -> tuple[Device, ...]:
    if len(devices) < 2:
        return devices
    if options.split_mode is SplitMode.NONE:
        return (devices[min(options.main_gpu, len(devices) - 1)],)
    if options.engine_build is not EngineBuild.LLAMA_CPP:
        best = max(devices, key=lambda device: device.free_bytes)
        if _ollamas_estimate(shape, options) <= _ONE_GPU_SHARE * best.free_bytes:
            return (best,)
    return devices


def _ollamas_estimate(shape: ModelShape, options: ResolvedOptions) -> int:
    """What Ollama 0.30 predicts before it loads: the file, and a cache of the fewest heads in every layer."""
    attention = shape.attention
    if attention is None or not shape.n_embd or not max(attention.n_head):
        return shape.weights.total
    heads = min((n for n in attention.n_head_kv if n), default=0)
    size = shape.n_embd // max(attention.n_head)
    return shape.weights.total + 2 * shape.n_layer * heads * size * options.n_ctx * options.n_parallel * 2


def lay_out(costs: Costs, devices: Sequence[Device]) -> list[Place]:
    """A place for each layer and the output layer, on `devices` by index or the host."""
    options = costs.options
    whole = _default_layout(costs, devices, costs.n_layers)
    if options.n_gpu_layers is not None:
        return _default_layout(costs, devices, min(options.n_gpu_layers, costs.n_layers))
    extra = options.projector_bytes + options.extra_bytes
    room = [budget(device) - (extra if index == 0 else 0) for index, device in enumerate(devices)]
    targets = [free - options.margin_bytes for free in room]
    by_hand = options.n_cpu_moe or any(options.tensor_split)
    if by_hand or _within(costs, whole, targets):
        return whole
    # A margin larger than the engine's own was asked for, and is kept.
    spares = not options.keeps_margin and options.margin_bytes <= MARGIN and _within(costs, whole, room)
    if spares and len(devices) == 1:
        return whole
    fitted = fill(costs, targets)
    return whole if spares and not _is_whole(fitted) else fitted


def _is_whole(places: Sequence[Place]) -> bool:
    return all(place.device != HOST and place.kept is Kept.ALL for place in places)


def _within(costs: Costs, places: Sequence[Place], limits: Sequence[int]) -> bool:
    if any(costs.at_least(places, index) > limit for index, limit in enumerate(limits)):
        return False
    shares = costs.shares(places, projected=True)
    return all(shares[index].known <= limit for index, limit in enumerate(limits))


def _default_layout(costs: Costs, devices: Sequence[Device], n_gpu_layers: int) -> list[Place]:
    """The engine's own split: the last `n_gpu_layers` layers, shared out by free memory."""
    options = costs.options
    by_hand = options.tensor_split if any(options.tensor_split[: len(devices)]) else ()
    shares = [*by_hand[: len(devices)], *[0.0] * (len(devices) - len(by_hand))] if by_hand else map(budget, devices)
    places = [Place()] * (costs.n_layers - n_gpu_layers)
    for index, count in enumerate(split_by_share(n_gpu_layers, list(shares))):
        places += [Place(index)] * count
    experts = costs.shape.weights.experts
    return [
        replace(place, kept=Kept.DENSE)
        if layer < options.n_cpu_moe and layer < len(experts) and experts[layer] and place.device != HOST
        else place
        for layer, place in enumerate(places)
    ]


def _split_rows(costs: Costs, machine: Machine, devices: Sequence[Device]) -> MemoryPlan:
    """`-sm row`: the weights of every layer are shared out, cache and scratch lie on the main device."""
    options = costs.options
    n_gpu_layers = costs.n_layers if options.n_gpu_layers is None else min(options.n_gpu_layers, costs.n_layers)
    main = min(options.main_gpu, len(devices) - 1)
    single = Costs(costs.shape, options, 1, widens_cache=_widens_cache(options, devices))
    places = [Place()] * (costs.n_layers - n_gpu_layers) + [Place(0)] * n_gpu_layers
    shares = single.shares(places)
    parts = options.tensor_split[: len(devices)] or tuple(float(budget(device)) for device in devices)
    total = sum(parts) or 1.0
    held = {HOST: shares[HOST]}
    for index in range(len(devices)):
        mine = replace(
            Share() if index != main else shares[0],
            weights=int(shares[0].weights * parts[index] / total),
            reads=int(shares[0].reads * parts[index] / total),
        )
        held[index] = mine
    return _make_plan(costs, machine, devices, held, {main: n_gpu_layers}, {}, n_gpu_layers)


def assemble(costs: Costs, machine: Machine, devices: Sequence[Device], places: Sequence[Place]) -> MemoryPlan:
    """The plan with the layers of `costs` at `places`, on `devices` by index or the host."""
    counts: dict[int, int] = {}
    without_experts: dict[int, int] = {}
    for place in places:
        counts[place.device] = counts.get(place.device, 0) + 1
        if place.device != HOST and place.kept is not Kept.ALL:
            without_experts[place.device] = without_experts.get(place.device, 0) + 1
    n_gpu_layers = costs.n_layers - counts.get(HOST, 0)
    return _make_plan(costs, machine, devices, costs.shares(places), counts, without_experts, n_gpu_layers)


def _make_plan(
    costs: Costs,
    machine: Machine,
    devices: Sequence[Device],
    shares: dict[int, Share],
    counts: dict[int, int],
    without_experts: dict[int, int],
    n_gpu_layers: int,
) -> MemoryPlan:
    indexes = {id(device): index for index, device in enumerate(devices)}
    plans = []
    for device in machine.devices:
        index = indexes.get(id(device))
        used = index is not None and (index in counts or bool(shares[index].known))
        plans.append(
            DevicePlan(
                name=device.name,
                kind=device.backend.value,
                total_bytes=device.total_bytes,
                free_bytes=device.free_bytes,
                n_layers=counts.get(index, 0) if index is not None else 0,
                components=_on_device(costs.options, device, shares[index], index)
                if used and index is not None
                else Components(),
                reads=shares[index].reads if index is not None else 0,
                n_expert_layers=without_experts.get(index, 0) if index is not None else 0,
            )
        )
    output = costs.output
    held = shares[HOST]
    host = DevicePlan(
        name=machine.host.cpu or "CPU",
        kind="host",
        total_bytes=machine.host.total_bytes,
        free_bytes=machine.host.available_bytes,
        n_layers=costs.n_layers - n_gpu_layers,
        components=Components(
            weights=held.weights,
            kv_cache=held.kv_cache,
            recurrent=None if held.kv_cache is None else held.recurrent,
            compute=None if held.compute is None or output is None else held.compute + output,
            projector=costs.options.projector_bytes + costs.options.extra_bytes if not devices else 0,
            overhead=host_overhead(machine.host).size,
        ),
        reads=held.reads,
    )
    return MemoryPlan(tuple(plans), host, n_gpu_layers, costs.n_layers)


def _on_device(options: ResolvedOptions, device: Device, share: Share, index: int) -> Components:
    main = index == min(options.main_gpu, index) if options.split_mode is SplitMode.ROW else index == 0
    return Components(
        weights=share.weights,
        kv_cache=share.kv_cache,
        recurrent=None if share.kv_cache is None else share.recurrent,
        compute=share.compute,
        projector=options.projector_bytes + options.extra_bytes if main else 0,
        overhead=device_overhead(device).size,
    )
