"""Layers that a graph leaves out: what it takes must be what it would take with all of them."""

from __future__ import annotations

import pytest

from kdmgr.fit.compute import compute_buffers
from kdmgr.fit.graph.builder import Kept, Place
from kdmgr.fit.graph.choosing import choose_layers, layer_kinds
from kdmgr.fit.options import RunOptions, resolve
from tests.support.comparing import CPU_ONLY
from tests.support.shapes import shape

MODELS = ("llama-3.1-8b", "phi-2", "phi-3.5-moe", "gemma-3-12b", "qwen3.5-35b-a3b", "qwen3.6-27b", "arwkv-7b")


def layouts(n_layers: int) -> list[list[Place]]:
    """Whole, half on the host, a pipeline, and experts on the host."""
    half, rest = n_layers // 2, n_layers - n_layers // 2
    return [
        [Place(0)] * n_layers,
        [Place()] * half + [Place(0)] * rest,
        [Place(0)] * half + [Place(1)] * rest,
        [Place(0)] * half + [Place(0, Kept.DENSE)] * (rest - 1) + [Place(0)],
    ]


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("name", MODELS)
def test_layers_left_out_change_nothing(name: str, turn: int) -> None:
    found = shape(name)
    options = resolve(RunOptions(n_ctx=8192), found, CPU_ONLY)
    places = layouts(found.n_layer + 1)[turn]
    n_devices = 2 if turn == 2 else 1
    short = compute_buffers(found, options, places, n_devices)
    assert short == compute_buffers(found, options, places, n_devices, layers=range(found.n_layer))


@pytest.mark.parametrize("name", MODELS)
def test_most_layers_are_left_out(name: str) -> None:
    found = shape(name)
    chosen = choose_layers(layer_kinds(found), [Place(0)] * (found.n_layer + 1))
    assert chosen == sorted(set(chosen))
    assert chosen[-1] == found.n_layer - 1
    assert len(chosen) <= 20
