"""Which layers a graph needs: further ones that repeat what is there change nothing about its memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from kdmgr.fit.graph.builder import Place
from kdmgr.fit.graph.traits import find_traits, rotates
from kdmgr.gguf.shape import ModelShape

_LONGEST_PATTERN = 8


@dataclass(frozen=True, slots=True)
class _Enough:
    """How many equal layers, and repetitions of a pattern of several, bring the allocator to its steady state."""

    layers: int
    patterns: int
    in_pairs: bool = False
    """Whether even a pattern of an even number of layers may take turns with the next one."""

    def step(self, period: int) -> int:
        """Layers that can be left out without a change: an even number, as two may take turns at the same gaps."""
        return 2 * period if period % 2 or self.in_pairs else period

    def kept(self, period: int) -> int:
        """Layers of `period` that are kept."""
        return period * (self.layers if period == 1 else self.patterns)


# What is copied between host and devices leaves more gaps, states above all.
_UNDIVIDED, _DIVIDED, _DIVIDED_STATES = _Enough(4, 2), _Enough(4, 3), _Enough(8, 4, in_pairs=True)


def layer_kinds(shape: ModelShape) -> list[int]:
    """For each layer a number that tells kinds of layers apart: by tensors, window, cache and rotation."""
    attention, kind_of = shape.attention, shape.layers.kind_of
    if attention is None:
        return list(kind_of)
    traits = find_traits(shape.architecture)
    return [
        8 * kind + 4 * attention.slides[layer] + 2 * attention.caches[layer] + rotates(traits, attention, layer)
        for layer, kind in enumerate(kind_of)
    ]


def choose_layers(
    kinds: Sequence[int], places: Sequence[Place], *, has_states: bool = False, settles_late: bool = False
) -> list[int]:
    """Of the layers in each place, by their kinds, those that a graph needs. The last one is always among them.

    `settles_late`: more of them, as if they were divided.
    """
    divided = settles_late or any(place.device != places[0].device for place in places)
    enough = (_DIVIDED_STATES if has_states else _DIVIDED) if divided else _UNDIVIDED
    chosen: list[int] = []
    start = 0
    for _, group in groupby(places[: len(kinds)]):
        end = start + len(list(group))
        chosen += _shorten(kinds, start, end, enough)
        start = end
    return chosen


def _shorten(kinds: Sequence[int], start: int, end: int, enough: _Enough) -> list[int]:
    """The layers from `start` to `end`, without the middle of every long repetition."""
    chosen: list[int] = []
    while start < end:
        period, length = _find_repetition(kinds, start, end, enough)
        step = enough.step(period)
        cut = max(length - enough.kept(period), 0) // step * step
        stays = enough.kept(period) - period if cut else length
        chosen += [*range(start, start + stays), *range(start + stays + cut, start + length)]
        start += length
    return chosen


def _find_repetition(kinds: Sequence[int], start: int, end: int, enough: _Enough) -> tuple[int, int]:
    """The shortest period that repeats often enough from `start` on, and for how many layers; else one layer."""
    for period in range(1, _LONGEST_PATTERN + 1):
        stop = start + period
        while stop < end and kinds[stop] == kinds[stop - period]:
            stop += 1
        if stop - start >= enough.kept(period) + enough.step(period):
            return period, stop - start
    return 1, 1
