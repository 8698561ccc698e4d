"""ggml's graph allocator, replayed on sizes alone: how large the compute buffer must be.

Follows ggml-alloc.c of llama.cpp (`ggml_gallocr_alloc_graph_impl`, `ggml_dyn_tallocr_alloc`): leaves first,
then node by node the best fitting gap, in place where the operation allows it, freed after the last use.
Weights and caches are not part of it: they have buffers of their own.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

HOST = -1
_ENDLESS = 1 << 62


class Tensor:
    """A value in the graph. `size` in bytes; a view shares the memory of `root`."""

    __slots__ = (
        "children",
        "foreign",
        "foreign_at",
        "home",
        "in_place",
        "is_view",
        "live",
        "norm_place",
        "offset",
        "output",
        "place",
        "reads_cache",
        "root",
        "seen",
        "shape",
        "size",
        "sources",
        "views",
        "weight",
        "workspace",
    )

    def __init__(
        self,
        shape: tuple[int, ...],
        size: int,
        sources: tuple[Tensor, ...] = (),
        root: Tensor | None = None,
        in_place: bool = False,
    ) -> None:
        self.shape = shape
        self.size = size
        self.sources = sources
        self.root = root
        self.in_place = in_place
        self.output = False
        """Never freed, and never overwritten."""
        self.place: int | None = None
        """The backend that must run it: a device by index, or HOST; None follows its neighbours."""
        self.norm_place: int | None = None
        """Of a layer's norm: the layer's device, which runs it in a model wholly on devices."""
        self.home = HOST
        """The backend that it was then put on; of no account for a view, which lies where its root does."""
        self.weight = False
        """Whether it reads a weight, which decides where it runs."""
        self.foreign: tuple[Tensor, ...] = ()
        """Each weight or cache that it reads and that lies on the host, wherever it runs."""
        self.foreign_at = 0
        """How many of `sources` the operation names before these."""
        self.workspace = 0
        """Bytes that it needs behind its result on a device that first turns what it reads into f16."""
        self.reads_cache = False
        """Whether what it reads of that is a cache, not a weight."""
        self.is_view = False
        """Whether it only looks at the memory of `root`; a write into it has a root too."""
        self.seen = False
        self.live = False
        self.offset = 0
        self.children = 0
        self.views = 0


class _Gaps:
    """Free memory as [offset, size], by offset; the last one is endless."""

    def __init__(self, alignment: int) -> None:
        self._alignment = alignment
        self._gaps = [[0, _ENDLESS]]
        self.peak = 0

    def take(self, size: int) -> int:
        """The offset of `size` bytes: the smallest gap that holds them, else the end."""
        size = self._pad(size)
        gaps = self._gaps
        best, best_size = -1, _ENDLESS
        for index in range(len(gaps) - 1):
            room = gaps[index][1]
            if size <= room <= best_size:
                best, best_size = index, room
        gap = gaps[best]
        offset = gap[0]
        gap[0] += size
        gap[1] -= size
        if not gap[1]:
            del gaps[best]
        self.peak = max(self.peak, offset + size)
        return offset

    def give(self, offset: int, size: int) -> None:
        """Return `size` bytes at `offset`, joined with the gaps they touch."""
        size = self._pad(size)
        gaps = self._gaps
        for index, gap in enumerate(gaps):
            if gap[0] + gap[1] == offset:
                gap[1] += size
                if index + 1 < len(gaps) and gap[0] + gap[1] == gaps[index + 1][0]:
                    gap[1] += gaps[index + 1][1]
                    del gaps[index + 1]
                return
            if offset + size == gap[0]:
                gap[0] = offset
                gap[1] += size
                if index and gaps[index - 1][0] + gaps[index - 1][1] == offset:
                    gaps[index - 1][1] += gap[1]
                    del gaps[index]
                return
        insort(gaps, [offset, size])

    def _pad(self, size: int) -> int:
        return -(-size // self._alignment) * self._alignment


def allocate(leaves: Sequence[Tensor], nodes: Sequence[Tensor], alignment: int) -> int:
    """Bytes of the buffer that holds `leaves` (the graph's inputs) and `nodes`, in order of execution."""
    gaps = _Gaps(alignment)
    for tensor in (*leaves, *nodes):
        tensor.live = False
        tensor.children = tensor.views = 0
    for leaf in leaves:
        _place(leaf, gaps)
    for node in nodes:
        if node.root is not None:
            node.root.views += 1
        for source in node.sources:
            source.children += 1
    for node in nodes:
        if node.root is None:
            _place(node, gaps)
        for source in node.sources:
            source.children -= 1
            if not source.children and not source.views:
                _release(source, gaps)
    return gaps.peak


def _place(tensor: Tensor, gaps: _Gaps) -> None:
    if tensor.live:
        return
    tensor.live = True
    if tensor.in_place:
        for parent in tensor.sources:
            # A view never counts as the allocator's own, so only plain tensors are reused.
            if _can_take_over(tensor, parent):
                tensor.offset = parent.offset
                parent.live = False
                return
    tensor.offset = gaps.take(tensor.size)


def _can_take_over(tensor: Tensor, parent: Tensor) -> bool:
    same_layout = parent.shape == tensor.shape and parent.size == tensor.size
    return same_layout and parent.live and not parent.output and parent.children == 1 and not parent.views


def _release(tensor: Tensor, gaps: _Gaps) -> None:
    root = tensor.root
    if root is None:
        _free(tensor, gaps)
        return
    root.views -= 1
    if not root.views and not root.children:
        _free(root, gaps)


def _free(tensor: Tensor, gaps: _Gaps) -> None:
    if tensor.live and not tensor.output:
        tensor.live = False
        gaps.give(tensor.offset, tensor.size)
