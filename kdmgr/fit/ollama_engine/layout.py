"""Which layers Ollama's own engine puts where: as many as fit, on as few devices as hold them.

Source: Ollama v0.24.0, llm/server.go (`ollamaServer.Load`, `buildLayout`, `assignLayers`, `findBestFit`,
`greedyFit`) and ml/device.go (`MinimumMemory`, `ByFreeMemory`, `ByPerformance`). A layout holds a device's index,
or HOST, for each layer and the output layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.machine import Backend, Device
from kdmgr.fit.options import ResolvedOptions
from kdmgr.units import MIB

Layout = tuple[int, ...]
Graphs = Callable[[Layout], Sequence[int]]
"""Bytes of scratch memory on each device that a layout makes."""

_METAL_MINIMUM, _MINIMUM = 512 * MIB, 457 * MIB
# How finely the share of the devices' memory is sought that still holds all layers, and more than there is.
_TOLERANCE, _BOUNDLESS = 1e-6, 1000.0


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes free for layers on one device."""

    index: int
    free: int
    integrated: bool


def minimum_memory(device: Device) -> int:
    """What is kept for the driver."""
    return _METAL_MINIMUM if device.backend is Backend.METAL else _MINIMUM


def find_layout(sizes: Sequence[int], graphs: Graphs, devices: Sequence[Device], options: ResolvedOptions) -> Layout:
    """The layout that the engine's program settles on, for layers of `sizes` (weights and cache)."""
    search = _Search(sizes, graphs, devices, options)
    layout = search.first()
    # Once for sizes alone, once more with memory allocated.
    for _ in range(2):
        layout = search.settle(layout)
    return layout


class _Search:
    def __init__(
        self, sizes: Sequence[int], graphs: Graphs, devices: Sequence[Device], options: ResolvedOptions
    ) -> None:
        self._sizes = sizes
        self._graphs = graphs
        self._devices = devices
        self._options = options
        self._requested = -1 if options.n_gpu_layers is None else options.n_gpu_layers
        self._past: set[Layout] = set()

    def first(self) -> Layout:
        """Before anything is known, layers seem to take nothing: all on the device with most free memory."""
        return self._lay_out([0] * len(self._sizes), [0] * len(self._devices), self._requested)

    def settle(self, layout: Layout) -> Layout:
        """Lay out again and again with the scratch memory that the last layout took, until that adds nothing."""
        while True:
            graphs = self._graphs(layout)
            self._past.add(layout)
            found = self._lay_out(self._sizes, graphs, self._requested)
            if found not in self._past and count(found) <= count(layout):
                layout = found
                continue
            if self._requested < 0 and count(found) - count(layout) > 1:
                return self._try_between(graphs, count(layout), count(found)) or layout
            return layout

    def _try_between(self, graphs: Sequence[int], low: int, high: int) -> Layout | None:
        """Numbers of layers between two that the layouts jump to and fro between, the largest first."""
        for n_layers in range(high - 1, low - 1, -1):
            trial = self._lay_out(self._sizes, graphs, n_layers)
            checked = self._lay_out(self._sizes, self._graphs(trial), -1)
            if count(trial) <= count(checked):
                self._past.clear()
                return trial
        return None

    def _lay_out(self, sizes: Sequence[int], graphs: Sequence[int], requested: int) -> Layout:
        best: Layout = (HOST,) * len(sizes)
        for rooms in self._libraries():
            used = max((at for at, room in enumerate(rooms) if graphs[room.index]), default=0)
            left = [replace(room, free=max(self._usable(room, graphs[room.index]), 0)) for room in rooms]
            # Sizes that are not known yet find room anywhere.
            found = assign_layers(sizes, left, requested, used)
            best = found if count(found) > count(best) else best
        return best

    def _usable(self, room: Room, graph: int) -> int:
        return room.free - minimum_memory(self._devices[room.index]) - self._options.gpu_overhead_bytes - graph

    def _libraries(self) -> list[list[Room]]:
        """The devices of each library, those of their own before integrated ones, those with most free memory first."""
        rooms = [Room(index, device.free_bytes, device.unified) for index, device in enumerate(self._devices)]
        rooms.sort(key=lambda room: (room.integrated, -room.free))
        libraries: dict[Backend, list[Room]] = {}
        for room in rooms:
            libraries.setdefault(self._devices[room.index].backend, []).append(room)
        return list(libraries.values())


def count(layout: Layout) -> int:
    """Layers on devices."""
    return sum(place != HOST for place in layout)


def assign_layers(sizes: Sequence[int], rooms: Sequence[Room], requested: int, used: int = 0) -> Layout:
    """As many layers as have room, on the first rooms that hold them all; rather a layer than the output layer.

    `requested` layers at the most, and these whether they have room or not; -1 for as many as there are.
    `used`: the last room that is taken in any case.
    """
    rooms = [replace(room, integrated=False) for room in rooms] if requested >= 0 else rooms
    layout: Layout = ()
    for n_layers in (len(sizes), len(sizes) - 1):
        requested = min(n_layers, requested)
        for last in range(used, len(rooms)):
            forced = last == len(rooms) - 1
            layout = _fit_best(sizes[:n_layers], rooms[: last + 1], requested, forced=forced)
            if count(layout) in (n_layers, requested):
                break
        if count(layout) == n_layers:
            break
    return layout + (HOST,) * (len(sizes) - len(layout))


def _fit_best(sizes: Sequence[int], rooms: Sequence[Room], requested: int, *, forced: bool) -> Layout:
    """The most layers, with as even a share of each room as that allows; integrated devices get what is left."""
    behind: Layout = ()
    for integrated in dict.fromkeys(room.integrated for room in rooms):
        group = [room for room in rooms if room.integrated == integrated]
        low, high = 0.0, _BOUNDLESS if requested >= 0 and forced else 1.0
        best = _fill(sizes, group, high, requested)
        while high - low > _TOLERANCE:
            middle = (low + high) / 2
            found = _fill(sizes, group, middle, requested)
            if len(found) == len(best):
                high, best = middle, found
            else:
                low = middle
        sizes = sizes[: len(sizes) - len(best)]
        requested -= len(best)
        behind = best + behind
    return (HOST,) * len(sizes) + behind


def _fill(sizes: Sequence[int], rooms: Sequence[Room], capacity: float, requested: int) -> Layout:
    """Places of the last layers: from the last room to the first, each up to `capacity` of it."""
    at = len(rooms) - 1
    free = int(rooms[at].free * capacity)
    places: list[int] = []
    for size in reversed(sizes):
        if 0 <= requested <= len(places):
            break
        while size > free:
            at -= 1
            if at < 0:
                return tuple(reversed(places))
            free = int(rooms[at].free * capacity)
        places.append(rooms[at].index)
        free -= size
    return tuple(reversed(places))
