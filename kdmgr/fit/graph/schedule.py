"""Who runs what: the graph split over the host and the devices, and the copies that this takes.

Follows `ggml_backend_sched_split_graph` (ggml-backend.cpp): operations run where their weights are, large ones
on a device even when the weights are not; the others follow their neighbours. Before each run of operations on
one backend, what it reads from others is copied there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from kdmgr.fit.graph.allocator import HOST, Tensor, allocate
from kdmgr.fit.graph.builder import DEVICE_ALIGNMENT, F32, HOST_ALIGNMENT, PIPELINE_COPIES, Graph, Shape

# Batches from here on are worth copying weights to a device for (ggml-cuda.cu, `offload_op`).
OFFLOAD_BATCH = 32


@dataclass(slots=True)
class _Backend:
    """What one backend's buffer has to hold, in order."""

    leaves: list[Tensor] = field(default_factory=list)
    nodes: list[Tensor] = field(default_factory=list)


class Schedule:
    """A graph split over `n_devices` devices and the host.

    `widens_cache`: whether the devices turn a quantised cache into f16 before they attend (CUDA, since May 2026
    within the compute buffer: ggml-cuda/fattn.cu, `ggml_cuda_flash_attn_ext_get_alloc_size`).
    `pins_norms`: whether each layer's norms run on its own device (llama-context.cpp, `graph_get_cb`).
    """

    def __init__(
        self, graph: Graph, n_devices: int, *, pipelined: bool, widens_cache: bool = False, pins_norms: bool = False
    ) -> None:
        self._widens_cache = widens_cache
        self._pins_norms = pins_norms
        self._n_copies = PIPELINE_COPIES if pipelined else 1
        self._backends = {place: _Backend() for place in (*range(n_devices), HOST)}
        self._copies: dict[tuple[int, int], Tensor] = {}
        self._backends[HOST].leaves = self._multiply_inputs(graph.leaves)
        working = [node for node in graph.nodes if not node.is_view]
        for node, place in zip(working, self._assign(working), strict=True):
            node.home = place
        self._split(graph.nodes)

    def sizes(self) -> tuple[int, tuple[int, ...]]:
        """Bytes of the host's compute buffer, and of each device's."""
        host = self._backends.pop(HOST)
        on_host = allocate(host.leaves, host.nodes, HOST_ALIGNMENT)
        return on_host, tuple(allocate(b.leaves, b.nodes, DEVICE_ALIGNMENT) for b in self._backends.values())

    def _multiply_inputs(self, leaves: Sequence[Tensor]) -> list[Tensor]:
        if self._n_copies == 1:
            return list(leaves)
        return [_keep(Tensor(leaf.shape, leaf.size)) for leaf in leaves for _ in range(self._n_copies)]

    def _assign(self, nodes: Sequence[Tensor]) -> list[int]:
        """Where the nodes that do anything run; views go with what they look at."""
        places = [self._own_place(node) for node in nodes]
        there, back = range(len(nodes)), range(len(nodes) - 1, -1, -1)
        _spread(places, there, devices_only=True)
        _spread(places, back, devices_only=True)
        _spread(places, there, devices_only=False)
        _spread(places, back, devices_only=False)
        return [HOST if place is None else place for place in places]

    def _own_place(self, node: Tensor) -> int | None:
        if self._pins_norms and node.norm_place is not None:
            return node.norm_place
        return _own_place(node)

    def _split(self, nodes: Sequence[Tensor]) -> None:
        """Cut the nodes into runs on one backend; a weight from elsewhere begins a new one."""
        run: list[Tensor] = []
        before: int | None = None
        has_inputs = False
        for node in nodes:
            place = _home(node)
            if not node.is_view:
                reads_host = place != HOST and bool(node.foreign) and not node.reads_cache
                if before is not None and (place != before or (reads_host and has_inputs)):
                    self._emit(run, before)
                    run, has_inputs = [], False
                before = place
                has_inputs = has_inputs or self._needs_copy(node, place)
            run.append(node)
        if before is not None:
            self._emit(run, before)

    def _needs_copy(self, node: Tensor, place: int) -> bool:
        return any(_home(source) != place and (id(source), place) not in self._copies for source in _reads(node))

    def _emit(self, run: Sequence[Tensor], place: int) -> None:
        """Append `run` to its backend, the copies of its inputs first."""
        backend = self._backends[place]
        body: list[Tensor] = []
        for node in run:
            if node.is_view:
                # It needs no memory, but keeps what it looks at.
                self._backends[_home(node)].nodes.append(node) if _home(node) != place else body.append(node)
                continue
            node.sources = tuple(
                [each if _home(each) == place else self._bring(each, place, backend) for each in _reads(node)]
            )
            if node.workspace and self._widens_cache and place != HOST:
                node.size = -(-node.size // DEVICE_ALIGNMENT) * DEVICE_ALIGNMENT + node.workspace
            body.append(node)
        backend.nodes += body

    def _bring(self, source: Tensor, place: int, backend: _Backend) -> Tensor:
        home = _home(source)
        key = (id(source), place)
        if key not in self._copies:
            size = _span(source) if home != HOST else source.size
            copies = [Tensor(source.shape, size) for _ in range(self._n_copies)]
            if self._n_copies > 1:
                # They are room of their own, taken before anything else.
                backend.leaves += [_keep(copy) for copy in copies]
            else:
                backend.nodes += copies
            self._copies[key] = copies[0]
            # Whoever made it keeps it until it has been copied.
            watcher = Tensor((0,), 0, (source,), root=Tensor((0,), 0))
            self._backends[home].nodes.append(watcher)
        return self._copies[key]


def _home(tensor: Tensor) -> int:
    return tensor.root.home if tensor.is_view and tensor.root is not None else tensor.home


def _span(source: Tensor) -> int:
    """Bytes of a copy of `source`. A slice of each row keeps its strides, and so the room of all but the last rest."""
    root = source.root
    if not source.is_view or root is None:
        return source.size
    rows = _common_rows(source.shape, root.shape)
    return source.size if rows == 1 else root.size - (root.size - source.size) // rows


def _common_rows(one: Shape, other: Shape) -> int:
    """The extents that both end in, multiplied."""
    rows = 1
    pairs = zip(_extents(one), _extents(other), strict=False)
    for extent, _ in takewhile(lambda pair: pair[0] == pair[1], pairs):
        rows *= extent
    return rows


def _extents(shape: Shape) -> Iterator[int]:
    return (extent for extent in reversed(shape) if extent > 1)


def _reads(node: Tensor) -> tuple[Tensor, ...]:
    """All that `node` reads in the engine's order, weights and caches on the host among them."""
    before = node.foreign_at
    return (*node.sources[:before], *node.foreign, *node.sources[before:]) if node.foreign else node.sources


def _own_place(node: Tensor) -> int | None:
    if not node.weight or node.place != HOST:
        return node.place
    rows = node.size // (node.shape[0] * F32)
    return 0 if rows >= OFFLOAD_BATCH else HOST


def _spread(places: list[int | None], order: range, *, devices_only: bool) -> None:
    """Let nodes without a place of their own follow their neighbours."""
    current: int | None = None
    for index in order:
        place = places[index]
        if place is None:
            places[index] = current
        else:
            current = None if devices_only and place == HOST else place


def _keep(tensor: Tensor) -> Tensor:
    tensor.output = True
    return tensor
