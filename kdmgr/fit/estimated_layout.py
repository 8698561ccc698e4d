"""How Ollama up to 0.11.4 gives out layers: last to first, to the devices in turn, while its estimate has room.

Source: Ollama v0.11.4, llm/memory.go (`EstimateGPULayers`). Integers are bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kdmgr.fit.options import ResolvedOptions


@dataclass(slots=True)
class Room:
    """One device while layers are given out; it is filled in place. The host counts as one where there is no GPU."""

    index: int
    free: int
    minimum: int
    taken: int = 0
    n_layers: int = 0


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a layout is made of."""

    layers: tuple[int, ...]
    """With the layers' caches."""
    first: int
    """Of the first layer; as much is kept free on each device."""
    last: int
    """Output layer, and the images' part of the model's own file."""
    projector: int
    partial: int
    full: int
    kv: int

    @property
    def graph(self) -> int:
        """The larger scratch memory: what has to be free while layers are given out."""
        return max(self.partial, self.full)


@dataclass(frozen=True, slots=True)
class Layout:
    """Filled devices, and what is left to the host."""

    rooms: Sequence[Room]
    overflow: int


def fill_rooms(sizes: Sizes, options: ResolvedOptions, rooms: Sequence[Room]) -> Layout:
    """Give out the layers from the last to the first, to the devices in turn; then the output layer."""
    reserve = options.gpu_overhead_bytes
    open_rooms = _open(sizes, rooms, reserve)
    overflow = 0 if open_rooms else sizes.projector
    limit = len(sizes.layers) + 1 if options.n_gpu_layers is None else options.n_gpu_layers
    n_placed = 0
    for layer in range(len(sizes.layers) - 1, -1, -1):
        size = sizes.layers[layer]
        if n_placed < limit and _place_layer(layer, size, sizes, open_rooms, reserve):
            n_placed += 1
        else:
            overflow += size
    whole = n_placed >= len(sizes.layers)
    if sizes.last:
        n_placed += n_placed < limit and _place_output(n_placed, sizes, open_rooms, reserve)
        if n_placed < len(sizes.layers) + 1:
            whole = False
            overflow += sizes.last
    for room in rooms:
        if room.n_layers:
            room.taken += sizes.full if whole else sizes.partial
    return Layout(rooms, overflow)


def _open(sizes: Sizes, rooms: Sequence[Room], reserve: int) -> list[Room]:
    """The devices with room for the least there has to be, which is taken: for the driver, and as large as a layer."""
    chosen: list[Room] = []
    for room in rooms:
        projector = 0 if chosen else sizes.projector
        if room.free >= reserve + projector + sizes.graph + room.minimum + 2 * sizes.first:
            room.taken = room.minimum + sizes.first
            chosen.append(room)
    if chosen:
        chosen[0].taken += sizes.projector
    return chosen


def _place_layer(layer: int, size: int, sizes: Sizes, rooms: list[Room], reserve: int) -> bool:
    """Put one layer where its turn is; a device without room for it leaves `rooms` for good."""
    for count in range(len(rooms), 0, -1):
        room = rooms[layer % count]
        if room.free > reserve + room.taken + sizes.graph + size:
            room.taken += size
            room.n_layers += 1
            return True
        del rooms[layer % count]
    return False


def _place_output(turn: int, sizes: Sizes, rooms: Sequence[Room], reserve: int) -> bool:
    for count in range(len(rooms), 0, -1):
        room = rooms[turn % count]
        if room.free > reserve + room.taken + sizes.graph + sizes.last:
            room.taken += sizes.last
            room.n_layers += 1
            return True
    return False
