"""Where the plan puts every layer, and what that takes, beside llama.cpp's own `--fit` on devices of paper.

To the layer, on every device; weights and caches to the byte but for padding, scratch memory nearly so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.graph.builder import Kept, Place
from kdmgr.fit.layout import Share
from kdmgr.fit.options import RunOptions, resolve
from kdmgr.fit.placement import lay_out, make_costs
from kdmgr.gguf.shape import ModelShape
from tests.support.comparing import COMPUTE_WITHIN
from tests.support.gpu_oracle import Projection, project
from tests.support.machines import paper_machine
from tests.support.shapes import read_file_shape
from tests.support.sparse import RECIPES, write_sparse

MIB = 1 << 20
# GGML_TYPE_Q8_0
Q8_0 = 8
GIB_IN_MIB = 1024


def lay(
    shape: ModelShape, free_gib: Sequence[float], options: RunOptions, *, projected: bool = True
) -> tuple[list[Place], dict[int, Share]]:
    """The plan's layout, and what each place holds as the engine reckons before it loads."""
    machine = paper_machine(free_gib)
    costs = make_costs(shape, resolve(options, shape, machine), machine.devices)
    places = lay_out(costs, machine.devices)
    return places, costs.shares(places, projected=projected)


def compare(real: Projection, shares: dict[int, Share]) -> None:
    """Every place, component by component."""
    for place, planned in shares.items():
        share = real.shares["CPU" if place == HOST else f"CUDA{place}"]
        assert planned.weights / MIB == pytest.approx(share.model / MIB, abs=0.3)
        assert (planned.kv_cache or 0) + planned.recurrent == pytest.approx(share.context, abs=MIB)
        assert planned.compute is not None
        assert planned.compute == pytest.approx(share.compute, abs=COMPUTE_WITHIN * MIB), place


def compare_layers(places: Sequence[Place], real: Projection, n_devices: int) -> None:
    """Layers on each device, and those that are not whole there."""
    counts = [sum(place.device == device for place in places) for device in range(n_devices)]
    total = len(places) if real.n_gpu_layers < 0 else real.n_gpu_layers
    assert sum(counts) == total
    if any(real.tensor_split):
        assert counts == [int(count) for count in real.tensor_split[:n_devices]]
    # The engine's list may go on to the output layer, which has no such tensors.
    overflowing = {int(pattern.split("\\.")[1]) for pattern, _ in real.overrides} - {len(places) - 1}
    assert {layer for layer, place in enumerate(places) if place.kept is not Kept.ALL} == overflowing


DENSE = ("llama-3.1-8b", "qwen2.5-7b", "phi-4", "gemma-3-12b", "olmo-3-7b", "command-r7b", "glm-4-9b")
MIXED = ("qwen3-30b-a3b", "mixtral-8x7b", "gpt-oss-20b", "deepseek-v2-lite", "gemma-4-26b-a4b", "granite-4.0-h-tiny")
OTHERS = ("lfm2-8b-a1b", "llama-3.3-70b", "qwen3-next-80b-a3b")
# Free memory for buffers as a share of the weights, 1.25 GiB of margin and scratch beside.
SIZES: list[tuple[float, ...]] = [(0.3,), (0.7,), (1.5,), (0.3, 0.45), (0.5, 0.3), (0.2, 0.15, 0.3), (0.8, 0.8)]
# Every machine meets every kind of model, every model several machines.
PAIRS = [
    (model, SIZES[(turn + 2 * step) % len(SIZES)])
    for turn, model in enumerate((*DENSE, *MIXED, *OTHERS))
    for step in range(2)
]


@pytest.mark.parametrize(("model", "sizes"), PAIRS)
def test_the_engines_own_fit_is_the_plan(model: str, sizes: tuple[float, ...], tmp_path: Path) -> None:
    path = write_sparse(RECIPES[model], tmp_path)
    shape = read_file_shape(path)
    free_mib = [int(share * shape.weights.total / MIB) + 1280 for share in sizes]
    real = project(path, free_mib, 8192)
    assert real.fitted
    places, shares = lay(shape, [mib / GIB_IN_MIB for mib in free_mib], RunOptions(n_ctx=8192, keeps_margin=True))
    compare_layers(places, real, len(free_mib))
    compare(real, shares)


OPTIONS: list[tuple[str, list[float], dict[str, Any]]] = [
    ("llama-3.1-8b", [5], {"n_ctx": 16384, "type_k": Q8_0, "type_v": Q8_0}),
    ("qwen3-30b-a3b", [10, 8], {"n_ctx": 32768, "type_k": Q8_0, "type_v": Q8_0}),
    ("llama-3.1-8b", [5], {"n_ctx": 4096, "n_parallel": 4}),
    ("llama-3.1-8b", [5], {"n_ctx": 16384, "flash_attn": False}),
    ("qwen3-30b-a3b", [12], {"n_ctx": 8192, "n_ubatch": 2048}),
    ("gemma-3-12b", [8], {"n_ctx": 65536, "n_ubatch": 1024}),
    ("llama-3.1-8b", [8], {"n_ctx": 8192, "margin_mib": 3072}),
    ("llama-3.1-8b", [24], {"n_ctx": 8192, "n_gpu_layers": 20}),
    ("llama-3.1-8b", [24, 12], {"n_ctx": 8192, "n_gpu_layers": 20}),
    ("llama-3.1-8b", [24, 24], {"n_ctx": 8192, "tensor_split": (3.0, 1.0)}),
    ("llama-3.1-8b", [8, 24], {"n_ctx": 8192, "split_mode": 0, "main_gpu": 0}),
    ("qwen3-30b-a3b", [24], {"n_ctx": 8192, "n_cpu_moe": 20}),
    ("qwen3-30b-a3b", [24, 24], {"n_ctx": 8192, "n_cpu_moe": 48}),
]


@pytest.mark.parametrize(("model", "free_gib", "asked"), OPTIONS)
def test_options_change_the_plan_as_they_change_the_engines(
    model: str, free_gib: list[float], asked: dict[str, Any], tmp_path: Path
) -> None:
    path = write_sparse(RECIPES[model], tmp_path)
    shape = read_file_shape(path)
    real = project(path, [int(gib * 1024) for gib in free_gib], **asked)
    used = free_gib[:1] if asked.get("split_mode") == 0 else free_gib
    places, shares = lay(shape, used, options_of(asked))
    if not {"tensor_split", "n_cpu_moe"} & set(asked):
        compare_layers(places, real, len(used))
    compare(real, shares)


def options_of(asked: dict[str, Any]) -> RunOptions:
    """The planner's options for those of the engine."""
    types = {Q8_0: "q8_0"}
    return RunOptions(
        n_ctx=asked["n_ctx"],
        n_parallel=asked.get("n_parallel", 1),
        n_batch=2048,
        n_ubatch=asked.get("n_ubatch", 512),
        type_k=types.get(asked.get("type_k", 0), "f16"),
        type_v=types.get(asked.get("type_v", 0), "f16"),
        flash_attn=asked.get("flash_attn", True),
        n_gpu_layers=asked.get("n_gpu_layers"),
        n_cpu_moe=asked.get("n_cpu_moe", 0),
        tensor_split=asked.get("tensor_split", ()),
        margin_bytes=asked.get("margin_mib", 1024) * MIB,
        keeps_margin=True,
    )


def test_a_load_onto_two_devices_takes_what_the_plan_says(smollm_gguf: Path) -> None:
    """Loaded for real: each layer's norms then run on its own device, which the projection does not yet know."""
    shape = read_file_shape(smollm_gguf)
    for load in (False, True):
        real = project(smollm_gguf, [4096, 4096], 4096, load=load)
        _, shares = lay(shape, [4, 4], RunOptions(n_ctx=4096), projected=not load)
        for device in range(2):
            # Each buffer of a fake device has a few bytes more, to be aligned.
            assert shares[device].compute == pytest.approx(real.shares[f"CUDA{device}"].compute, abs=256)
            assert shares[device].kv_cache == pytest.approx(real.shares[f"CUDA{device}"].context, abs=256)
