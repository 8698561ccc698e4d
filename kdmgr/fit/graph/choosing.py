"""Which layers a graph needs: further ones that repeat what is there change nothing about its memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from kdmgr.fit.graph.builder import Place
from kdmgr.fit.graph.traits import find_traits, rotates
from kdmgr.gguf.shape import ModelShape

# Equal layers beyond the first number, and patterns of several layers beyond the second, change nothing: the allocator
# has found its steady state. States that are copied between host and devices leave more gaps.
_KEPT, _KEPT_STATES = (4, 2), (8, 4)
_LONGEST_PATTERN = 8


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


def choose_layers(kinds: Sequence[int], places: Sequence[Place], *, has_states: bool = False) -> list[int]:
    """Of the layers in each place, by their kinds, those that a graph needs. The last one is always among them."""
    divided = any(place != places[0] for place in places)
    kept = _KEPT_STATES if has_states and divided else _KEPT
    chosen: list[int] = []
    start = 0
    for _, group in groupby(places[: len(kinds)]):
        end = start + len(list(group))
        chosen += _shorten(kinds, start, end, kept)
        start = end
    return chosen


def _shorten(kinds: Sequence[int], start: int, end: int, kept: tuple[int, int]) -> list[int]:
    """The layers from `start` to `end`, without the middle of every long repetition.

    It is cut by an even number of periods, since two layers may take turns at the same gaps.
    """
    chosen: list[int] = []
    while start < end:
        period, length = _find_repetition(kinds, start, end, kept)
        least = kept[period > 1]
        cut = max(length // period - least, 0) // 2 * 2 * period
        stays = (least - 1) * period if cut else length
        chosen += [*range(start, start + stays), *range(start + stays + cut, start + length)]
        start += length
    return chosen


def _find_repetition(kinds: Sequence[int], start: int, end: int, kept: tuple[int, int]) -> tuple[int, int]:
    """The shortest period that repeats often enough from `start` on, and for how many layers; else one layer."""
    for period in range(1, _LONGEST_PATTERN + 1):
        stop = start + period
        while stop < end and kinds[stop] == kinds[stop - period]:
            stop += 1
        if stop - start >= (kept[period > 1] + 2) * period:
            return period, stop - start
    return 1, 1
