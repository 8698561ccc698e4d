"""How Ollama up to 0.11.4 decides what to offload: by an estimate, before anything is loaded.

Sources, all Ollama v0.11.4: llm/memory.go (`EstimateGPULayers`), server/sched.go (which GPUs are tried),
llm/server.go (what is made of the answer), discover/ (what is kept for the driver). Integers are bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kdmgr.fit.estimated_graph import CACHE_BYTES, EstimatedGraph, Load, estimate_graph, estimate_vision
from kdmgr.fit.estimated_layout import Layout, Room, Sizes, fill_rooms
from kdmgr.fit.machine import Backend, Device, Machine
from kdmgr.fit.options import DEFAULT_CONTEXT, ResolvedOptions
from kdmgr.gguf.ollama_view import OllamaView
from kdmgr.gguf.shape import ModelShape
from kdmgr.units import MIB

# What it keeps for the driver; it does not use other libraries' devices unless told to.
MINIMUM = {Backend.CUDA: 457 * MIB, Backend.ROCM: 457 * MIB, Backend.METAL: 512 * MIB}
_LEAST_CONTEXT = 2048


@dataclass(frozen=True, slots=True)
class Estimate:
    """What it decides; tuples hold one entry per device in use, in its order."""

    n_layers: int
    """Layers it offloads, the output layer counted as one, and the last to go."""
    n_model_layers: int
    total_bytes: int
    """On devices and host together."""
    vram_bytes: int
    kv_bytes: int
    graph_partial: int
    """Scratch memory on each device while some layers are left to the host."""
    graph_full: int
    devices: tuple[int, ...] = ()
    """Indexes into the machine's devices."""
    device_layers: tuple[int, ...] = ()
    device_bytes: tuple[int, ...] = ()


def estimate(shape: ModelShape, options: ResolvedOptions, machine: Machine) -> Estimate | None:
    """What that Ollama would decide; None for a model it cannot read, or on a host whose memory is not known."""
    view = shape.ollama_view
    if view.n_vocab is None:
        return None
    groups = _group(machine)
    graph = estimate_graph(view, _load(view, options, options.n_ctx, has_gpu=bool(groups)))
    if groups and options.n_gpu_layers != 0:
        # GPUs are chosen for the context that was asked for; only then it is held within the model's own.
        wanted = estimate_graph(view, _load(view, options, options.asked_ctx or DEFAULT_CONTEXT, has_gpu=True))
        chosen = _choose(view, wanted, options, machine, groups)
        return _leave_metal(_try_devices(view, graph, options, machine, chosen), machine)
    if machine.host.available_bytes is None:
        return None
    sizes = _measure(view, graph, options, 1, metal=False)
    layout = fill_rooms(sizes, options, [Room(-1, machine.host.available_bytes, 0)])
    return _summarise(view, sizes, layout, on_device=False)


def _leave_metal(found: Estimate, machine: Machine) -> Estimate:
    """A Mac offloads nothing where the estimate is above all its memory."""
    total = machine.host.total_bytes
    metal = any(machine.devices[index].backend is Backend.METAL for index in found.devices)
    if not metal or total is None or found.vram_bytes <= total:
        return found
    return replace(found, n_layers=0, devices=(), device_layers=(), device_bytes=())


def _group(machine: Machine) -> list[list[int]]:
    """The devices it can use, by library, in the machine's order."""
    groups: dict[Backend, list[int]] = {}
    discrete = [not device.unified for device in machine.devices]
    for index, device in enumerate(machine.devices):
        if device.backend in MINIMUM and (discrete[index] or not any(discrete)):
            groups.setdefault(device.backend, []).append(index)
    return list(groups.values())


def _load(view: OllamaView, options: ResolvedOptions, n_ctx: int, *, has_gpu: bool) -> Load:
    n_parallel = 1 if view.pools or view.architecture == "mllama" else options.n_parallel
    n_ctx = max(n_ctx * n_parallel, _LEAST_CONTEXT)
    flash = options.flash_attn and has_gpu and not view.pools and view.architecture != "gptoss"
    small = flash and view.k_size == view.v_size != 0
    element = CACHE_BYTES.get(options.type_k, 2.0) if small else 2.0
    return Load(n_ctx, min(n_ctx, options.asked_batch), n_parallel, element)


def _choose(
    view: OllamaView, graph: EstimatedGraph, options: ResolvedOptions, machine: Machine, groups: list[list[int]]
) -> Sequence[int]:
    """One GPU that holds all that is to be offloaded, most free memory first; else all of a library; else some."""
    goal = view.n_layer + 1 if options.n_gpu_layers is None else options.n_gpu_layers
    for group in groups:
        by_memory = sorted(group, key=lambda index: -machine.devices[index].free_bytes)
        for choice in (*([index] for index in by_memory), by_memory):
            if _try_devices(view, graph, options, machine, choice).n_layers >= goal:
                return choice
    return max(groups, key=lambda group: _try_devices(view, graph, options, machine, group).vram_bytes)


def _try_devices(
    view: OllamaView, graph: EstimatedGraph, options: ResolvedOptions, machine: Machine, indexes: Sequence[int]
) -> Estimate:
    devices = [machine.devices[index] for index in indexes]
    sizes = _measure(view, graph, options, len(devices), metal=devices[0].backend is Backend.METAL)
    rooms = [_make_room(index, device) for index, device in zip(indexes, devices, strict=True)]
    return _summarise(view, sizes, fill_rooms(sizes, options, rooms), on_device=True)


def _make_room(index: int, device: Device) -> Room:
    return Room(index, device.free_bytes, MINIMUM[device.backend])


def _measure(
    view: OllamaView, graph: EstimatedGraph, options: ResolvedOptions, n_devices: int, *, metal: bool
) -> Sizes:
    partial, full = graph.partial, graph.full
    if metal:
        partial = full
    elif n_devices > 1:
        full = partial
    # A projector of its own is loaded first; else the model's own part for images goes with the output layer.
    vision = 0 if options.projector_bytes else sum(estimate_vision(view))
    first = (view.blocks[0] or 0) + graph.kv[0]
    layers = [first] * view.n_layer
    size = first
    for layer in range(view.n_layer - 1, -1, -1):
        block = view.blocks[layer]
        # A layer without tensors counts as much as the one before it in this order.
        size = size if block is None else block + graph.kv[layer]
        layers[layer] = size
    return Sizes(
        layers=tuple(layers),
        first=first,
        last=view.output + vision,
        projector=options.projector_bytes,
        partial=partial,
        full=full,
        kv=sum(graph.kv),
    )


def _summarise(view: OllamaView, sizes: Sizes, layout: Layout, *, on_device: bool) -> Estimate:
    taken = sum(room.taken for room in layout.rooms)
    n_layers = sum(room.n_layers for room in layout.rooms) if on_device else 0
    in_use = layout.rooms if n_layers else ()
    return Estimate(
        n_layers=n_layers,
        n_model_layers=view.n_layer + 1,
        total_bytes=taken + layout.overflow,
        vram_bytes=taken if n_layers else 0,
        kv_bytes=sizes.kv,
        graph_partial=sizes.partial,
        graph_full=sizes.full,
        devices=tuple(room.index for room in in_use),
        device_layers=tuple(room.n_layers for room in in_use),
        device_bytes=tuple(room.taken for room in in_use),
    )
