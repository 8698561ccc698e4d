"""The operations of a graph, as ggml builds them; only shapes and sizes, no arithmetic.

Weights and caches are left out of the sources: they own their memory, so the allocator does not see them. What
an operation reads of them is noted where it matters for placing it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import prod

from kdmgr.fit.graph.allocator import HOST, Tensor, allocate

F32, F16, I32, I64 = 4, 2, 4, 8
HOST_ALIGNMENT, DEVICE_ALIGNMENT = 32, 128
# GGML_SCHED_MAX_COPIES: inputs in flight when several devices work as a pipeline.
PIPELINE_COPIES = 4
Shape = tuple[int, ...]


class Kept(IntEnum):
    """How much of a layer's weights its device keeps; the rest overflows (common/fit.cpp, `LAYER_FRACTION`)."""

    ATTENTION = 1
    UP = 2
    UP_AND_GATE = 3
    DENSE = 4
    """Everything but the routed experts."""
    ALL = 5


# Beginnings of the names that overflow, as the patterns of common/fit.cpp have them (a router is a gate to them).
_OVERFLOWING = {
    Kept.ATTENTION: ("ffn_up", "ffn_gate", "ffn_down"),
    Kept.UP: ("ffn_gate", "ffn_down"),
    Kept.UP_AND_GATE: ("ffn_down",),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer's weights and cache lie."""

    device: int = HOST
    """The device's index, or HOST."""
    kept: Kept = Kept.ALL
    overflow: int = HOST
    """Where the rest lies: in host memory, or on another device."""

    def home(self, name: str) -> int:
        """Where the weight called `name` lies."""
        if self.device == HOST or self.kept is Kept.ALL:
            return self.device
        if self.kept is Kept.DENSE:
            return self.overflow if name.startswith("ffn_") and name.endswith("exps") else self.device
        return self.overflow if name.startswith(_OVERFLOWING[self.kept]) else self.device


def stored(n_bytes: int) -> Tensor:
    """A weight or a part of a cache: it owns its memory, and matters where it is copied only."""
    return Tensor((n_bytes,), n_bytes)


class Graph:
    """A graph in the making. `expand` orders nodes depth first, as `ggml_build_forward_expand` does."""

    def __init__(self) -> None:
        self.leaves: list[Tensor] = []
        self.nodes: list[Tensor] = []
        self.place = Place()
        """Of the layer that is being built."""
        self._stored = Tensor((0,), 0)

    def input(self, shape: Shape, element: int = F32) -> Tensor:
        """A value that is set before the graph runs."""
        return Tensor(shape, prod(shape) * element)

    def op(self, shape: Shape, *sources: Tensor, element: int = F32) -> Tensor:
        """The result of an operation that needs memory of its own."""
        return Tensor(shape, prod(shape) * element, sources)

    def each(self, *sources: Tensor) -> Tensor:
        """An operation element by element, which may overwrite what it reads."""
        return Tensor(sources[0].shape, sources[0].size, sources, in_place=True)

    def weighted(self, result: Tensor, n_bytes: int | None = None, name: str = "") -> Tensor:
        """Mark `result` as reading the layer's weight `name`, of `n_bytes` (a row of numbers unless given)."""
        result.weight = True
        result.place = self.place.home(name)
        if result.place == HOST:
            result.foreign = (stored(result.shape[0] * F32 if n_bytes is None else n_bytes),)
        # A multiplication names its matrix first, an operation element by element its vector last.
        result.foreign_at = 1 if result.in_place else 0
        return result

    def reads_cache(self, result: Tensor, *n_bytes: int, after: int = 0) -> Tensor:
        """Mark `result` as reading parts of the layer's cache, which it names `after` so many of its sources."""
        result.reads_cache = True
        result.foreign = tuple(stored(part) for part in n_bytes if part) if self.place.device == HOST else ()
        result.foreign_at = after
        return result

    def view(self, of: Tensor, shape: Shape) -> Tensor:
        """The same memory, or a part of it, seen as `shape`."""
        element = of.size // max(prod(of.shape), 1)
        view = Tensor(shape, prod(shape) * element, (of,), root=of.root or of)
        view.is_view = True
        return view

    def write(self, target: Tensor, *sources: Tensor) -> Tensor:
        """A write of `sources` into `target`, which is the result too."""
        return Tensor(target.shape, target.size, (*sources, target), root=target.root or target)

    def store(self, *sources: Tensor) -> Tensor:
        """A write into the layer's cache, which has its own memory and is written where it lies.

        Without `sources`, it changes what is there.
        """
        stored = Tensor((0,), 0, sources, root=self._stored)
        stored.place = self.place.device
        return stored

    def expand(self, tensor: Tensor) -> None:
        """Append `tensor` after everything it needs."""
        if tensor.seen:
            return
        tensor.seen = True
        for source in tensor.sources:
            self.expand(source)
        if tensor.sources or tensor.root is not None:
            self.nodes.append(tensor)
        else:
            self.leaves.append(tensor)

    def allocate(self) -> int:
        """Bytes of the compute buffer when the CPU runs the whole graph."""
        return allocate(self.leaves, self.nodes, HOST_ALIGNMENT)
