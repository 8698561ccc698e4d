"""What the layers of a model cost in Ollama's own engine, wherever they lie."""

from __future__ import annotations

from collections.abc import Sequence

from kdmgr.fit.compute import ComputeBuffers
from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.graph.builder import Kept, Place
from kdmgr.fit.graph.schedule import Schedule
from kdmgr.fit.layout import Costs, Tally
from kdmgr.fit.machine import Backend, Device
from kdmgr.fit.ollama_engine.cells import cache_bytes, state_bytes
from kdmgr.fit.ollama_engine.context import EngineGraph
from kdmgr.fit.ollama_engine.layout import Layout
from kdmgr.fit.ollama_engine.model import build_graph
from kdmgr.fit.ollama_engine.pool import pool_bytes
from kdmgr.fit.ollama_engine.vision import build_vision_graph
from kdmgr.fit.options import ResolvedOptions
from kdmgr.gguf.shape import ModelShape

# They keep a pool for what their operations need beside the results.
_POOLED = (Backend.CUDA, Backend.ROCM)


class EngineCosts(Costs):
    """`Costs` by that engine's own rules. What is read back of the logits is no part of what it counts."""

    def __init__(self, shape: ModelShape, options: ResolvedOptions, devices: Sequence[Device]) -> None:
        super().__init__(shape, options, len(devices))
        self._pooled = [device.backend in _POOLED for device in devices]
        view = shape.engine_view
        # Layers that only predict further tokens are loaded and placed like any other.
        spare = len(view.blocks) - shape.n_layer
        self.n_layers = len(view.blocks) + 1
        self.kv = (*kv, *(0,) * spare) if (kv := cache_bytes(shape, options)) is not None else None
        self.recurrent = (*state_bytes(shape, options), *(0,) * spare)
        self.weights = (*view.blocks, view.output)
        self._graphs: dict[Layout, ComputeBuffers] = {}

    @property
    def output(self) -> int:
        """No bytes: the rows of logits are in the compute buffer."""
        return 0

    @property
    def sizes(self) -> list[int]:
        """Bytes of each layer and of the output layer, with their caches."""
        kv = self.kv or (0,) * len(self.recurrent)
        caches = [cache + state for cache, state in zip(kv, self.recurrent, strict=True)]
        return [weights + cache for weights, cache in zip(self.weights, [*caches, 0], strict=True)]

    def compute(self, places: Sequence[Place], *, projected: bool = False) -> ComputeBuffers:
        """Scratch memory in each place; devices without a layer take no part."""
        layout = tuple(place.device for place in places)
        if layout not in self._graphs:
            self._graphs[layout] = self._compute(layout)
        return self._graphs[layout]

    def graphs(self, layout: Layout) -> list[int]:
        """Scratch memory on each device, for laying out; 0 where it is not known."""
        return [size or 0 for size in self.compute([Place(device) for device in layout]).devices]

    def _compute(self, layout: Layout) -> ComputeBuffers:
        """Both graphs are reserved in the same buffers: of each, the larger size counts."""
        used = sorted({device for device in layout if device != HOST})
        places = [Place(used.index(device) if device != HOST else HOST) for device in layout]
        graphs = [build_graph(self.shape, self.options, [*places[: self.shape.n_layer], places[-1]])]
        if self.shape.engine_view.vision is not None:
            graphs.append(build_vision_graph(self.shape, self.options, places[-1]))
        known = [graph for graph in graphs if graph is not None]
        if len(known) < len(graphs):
            return ComputeBuffers(None, tuple(None if each in used else 0 for each in range(self.n_devices)))
        sizes = [_reserve(graph, len(used)) for graph in known]
        held = {device: max(part[1][at] for part in sizes) for at, device in enumerate(used)}
        for device in used:
            if self._pooled[device]:
                held[device] += pool_bytes(self.shape, self.options, sees=device == layout[-1])
        devices = tuple(held.get(each, 0) for each in range(self.n_devices))
        return ComputeBuffers(max(parts[0] for parts in sizes), devices)

    def _count(self, places: Sequence[Place]) -> dict[int, Tally]:
        held = {place: Tally(None if self.kv is None else 0) for place in (HOST, *range(self.n_devices))}
        held[HOST].weights = self.shape.engine_view.input
        for layer, place in enumerate(places[:-1]):
            reads = self._weights(layer, Kept.ALL)[1] if layer < self.shape.n_layer else 0
            held[place.device].add(self.weights[layer], reads, self.kv[layer] if self.kv else 0, self.recurrent[layer])
        head = self.shape.weights.output + (self.shape.weights.token_embd if self.shape.weights.tied else 0)
        held[places[-1].device].add(self.weights[-1], head)
        return held


def _reserve(graph: EngineGraph, n_devices: int) -> tuple[int, tuple[int, ...]]:
    """Bytes on the host, and on each device."""
    return Schedule(graph, n_devices, pipelined=False).sizes() if n_devices else (graph.allocate(), ())
