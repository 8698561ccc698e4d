"""Which layers a graph needs: further ones of the same kinds in the same place change nothing about its memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.graph.builder import Place
from kdmgr.gguf.shape import ModelShape

# Layers of one kind beyond these change nothing: the allocator has found its steady state. States that are copied
# between host and device leave more gaps.
_REPEATS, _REPEATS_ON_HOST = 6, 6


def layer_kinds(shape: ModelShape) -> list[int]:
    """For each layer a number that tells kinds of layers apart: by their tensors, their window, their cache."""
    attention, kind_of = shape.attention, shape.layers.kind_of
    if attention is None:
        return list(kind_of)
    return [4 * kind + 2 * attention.slides[layer] + attention.caches[layer] for layer, kind in enumerate(kind_of)]


def choose_layers(shape: ModelShape, kinds: Sequence[int], places: Sequence[Place]) -> list[int]:
    """Every kind of layer in every place: of a run of equal layers the first few, and the last.

    A long run is cut by an even number, since two layers may take turns at the same gaps.
    """
    repeats = _REPEATS_ON_HOST if shape.recurrent and any(place.device == HOST for place in places) else _REPEATS
    chosen: list[int] = []
    for _, group in groupby(range(shape.n_layer), lambda index: (kinds[index], places[index])):
        run = list(group)
        kept = min(len(run), repeats + (len(run) - repeats) % 2)
        chosen += [*run[: kept - 1], run[-1]]
    return chosen
