"""The compute buffers: scratch memory of the graph, for one physical batch, wherever parts of it run.

The engine's graph is built from the header's tensors, split over host and devices, and its allocator is replayed
(`kdmgr.fit.graph`), so the figures are those the engine arrives at: see tests/fit/test_architectures.py for the
host, tests/fit/test_devices.py for devices, and tests/fit/test_published_loads.py for logs from real cards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kdmgr.fit.graph.builder import Place
from kdmgr.fit.options import ResolvedOptions
from kdmgr.gguf.shape import ModelShape

F32 = 4


@dataclass(frozen=True, slots=True)
class ComputeBuffers:
    """Bytes of scratch memory; None for an architecture whose graph is not known."""

    host: int | None
    devices: tuple[int | None, ...]


def compute_buffers(
    shape: ModelShape, options: ResolvedOptions, places: Sequence[Place], n_devices: int
) -> ComputeBuffers:
    """Scratch memory when layers lie at `places`: one for each layer, and one for the output layer."""
    attention, n_embd = shape.attention, shape.n_embd
    if attention is None or n_embd is None:
        return ComputeBuffers(None, (None,) * n_devices)
    from kdmgr.fit.graph.model import build_graph
    from kdmgr.fit.graph.schedule import Schedule

    context = build_graph(shape, options, attention, n_embd, places)
    if not n_devices:
        return ComputeBuffers(context.graph.allocate(), ())
    used = {place.device for place in places}
    # A pipeline over devices needs every layer on one of them (llama-context.cpp, `pipeline_parallel`).
    pipelined = n_devices > 1 and all(place.device >= 0 and not place.experts_on_host for place in places)
    schedule = Schedule(context.graph, n_devices, pipelined=pipelined and len(used) > 1)
    host, devices = schedule.sizes()
    return ComputeBuffers(host, devices)


def output_buffer(shape: ModelShape, options: ResolvedOptions) -> int | None:
    """Bytes for the logits that are read back, one token per slot; always in host memory."""
    return None if shape.n_vocab is None else shape.n_vocab * options.n_parallel * F32
