"""The compute buffers: scratch memory of the graph, for one physical batch, wherever parts of it run.

The engine's graph is built from the header's tensors, split over host and devices, and its allocator is replayed
(`kdmgr.fit.graph`), so the figures are those the engine arrives at: see tests/fit/test_architectures.py for the
host, tests/fit/test_devices.py for devices, and tests/fit/test_published_loads.py for logs from real cards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.graph.builder import PIPELINE_COPIES, Kept, Place
from kdmgr.fit.options import ResolvedOptions
from kdmgr.gguf.shape import ModelShape

F32 = 4


@dataclass(frozen=True, slots=True)
class ComputeBuffers:
    """Bytes of scratch memory; None for an architecture whose graph is not known."""

    host: int | None
    devices: tuple[int | None, ...]


def compute_buffers(
    shape: ModelShape,
    options: ResolvedOptions,
    places: Sequence[Place],
    n_devices: int,
    *,
    widens_cache: bool = False,
    projected: bool = False,
    layers: Sequence[int] | None = None,
) -> ComputeBuffers:
    """Scratch memory when layers lie at `places`: one for each layer, and one for the output layer.

    `widens_cache`: whether the devices copy a quantised cache to f16 in this memory. `projected`: as the engine
    projects it before a load, when it does not yet keep each layer's norms on the layer's device; on several
    devices the load itself then takes a little less. `layers`: those of the graph that are built; None for as many
    as tell the memory.
    """
    attention, n_embd = shape.attention, shape.n_embd
    if attention is None or n_embd is None:
        return ComputeBuffers(None, (None,) * n_devices)
    from kdmgr.fit.graph.model import build_graph
    from kdmgr.fit.graph.schedule import Schedule

    context = build_graph(shape, options, attention, n_embd, places, layers)
    if not n_devices:
        return ComputeBuffers(context.graph.allocate(), ())
    pipelined = _is_pipeline(places, n_devices)
    schedule = Schedule(
        context.graph,
        n_devices,
        pipelined=pipelined,
        widens_cache=widens_cache,
        pins_norms=not projected and _is_wholly_on_devices(places),
    )
    host, devices = schedule.sizes()
    return ComputeBuffers(host, devices)


def add_layer_inputs(
    buffers: ComputeBuffers, shape: ModelShape, options: ResolvedOptions, places: Sequence[Place]
) -> ComputeBuffers:
    """`buffers` with the layers' own inputs (gemma 3n, gemma 4), each copied to where its layer is.

    The graph holds only some of the layers, and so only some of these.
    """
    width = shape.layers.kinds[0].rows("inp_gate") if shape.layers.kinds else 0
    first = next((place.device for place in places if place.device != HOST), HOST)
    if not width or shape.attention is None or places[-1].device == first:
        return buffers
    from kdmgr.fit.graph.choosing import choose_layers, layer_kinds

    size = width * min(options.n_ctx * options.n_parallel, options.n_ubatch) * F32
    size *= PIPELINE_COPIES if _is_pipeline(places, len(buffers.devices)) else 1
    chosen = set(choose_layers(layer_kinds(shape), places))
    left_out = [place.device for layer, place in enumerate(places[:-1]) if layer not in chosen]
    devices = (
        held if held is None or device == first else held + left_out.count(device) * size
        for device, held in enumerate(buffers.devices)
    )
    return ComputeBuffers(buffers.host, tuple(devices))


def _is_wholly_on_devices(places: Sequence[Place]) -> bool:
    return all(place.device != HOST for place in places)


def _is_pipeline(places: Sequence[Place], n_devices: int) -> bool:
    """Whether devices work in turns: every layer must be on one, and whole (llama-context.cpp)."""
    return n_devices > 1 and all(place.device != HOST and place.kept is Kept.ALL for place in places)


def output_buffer(shape: ModelShape, options: ResolvedOptions) -> int | None:
    """Bytes for the logits that are read back, one token per slot; always in host memory."""
    return None if shape.n_vocab is None else shape.n_vocab * options.n_parallel * F32
