"""The plan on GPUs beside llama.cpp's own, on devices that exist only on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.layout import Costs, Slot
from kdmgr.fit.options import RunOptions, resolve
from kdmgr.fit.placement import place
from kdmgr.gguf.shape import ModelShape
from tests.support.comparing import CPU_ONLY, MIB
from tests.support.gpu_oracle import Projection, project
from tests.support.machines import paper_machine
from tests.support.option_sets import compute_tolerance
from tests.support.shapes import read_file_shape
from tests.support.sparse import RECIPES, write_sparse

HUGE_MIB = 1 << 20
# GGML_TYPE_F16 and GGML_TYPE_Q8_0
F16, Q8_0 = 1, 8
# Full offload: where the scratch memory of a device is known to be off by more than elsewhere.
WIDER = {
    "gemma-4-e4b": 0.16,
    "nemotron-3-nano-30b-a3b": 0.07,
    "openelm-3b": 0.07,
    "plamo-13b": 0.08,
    "plamo-2-8b": 0.06,
    "qwen3-vl-8b": 0.11,
    "qwen3-vl-30b-a3b": 0.08,
    "starcoder-7b": 0.15,
}
VARIANTS: list[dict[str, Any]] = [
    {"n_ctx": 4096},
    {"n_ctx": 16384, "n_ubatch": 1024},
    {"n_ctx": 4096, "flash_attn": False},
    {"n_ctx": 4096, "n_parallel": 4},
    {"n_ctx": 8192, "type_k": Q8_0, "type_v": Q8_0},
]


@pytest.mark.parametrize(("turn", "model"), list(enumerate(RECIPES)))
def test_a_model_wholly_on_one_gpu_takes_what_the_plan_says(turn: int, model: str, tmp_path: Path) -> None:
    path = write_sparse(RECIPES[model], tmp_path)
    shape = read_file_shape(path)
    asked = dict(VARIANTS[turn % len(VARIANTS)])
    asked["n_ctx"] = min(asked["n_ctx"], RECIPES[model].n_ctx_train)
    options = resolve(options_of(asked), shape, CPU_ONLY)
    if options.notes:
        asked |= {"type_k": F16, "type_v": F16}
    real = project(path, [HUGE_MIB], **asked)
    shares = Costs(shape, options, 1).shares([Slot(0)] * (shape.n_layer + 1))
    gpu, host = shares[0], shares[HOST]
    assert gpu.weights / MIB == pytest.approx(real.shares["CUDA0"].model / MIB, abs=0.2)
    assert host.weights / MIB == pytest.approx(real.shares["CPU"].model / MIB, abs=0.2)
    assert (gpu.kv_cache or 0) + gpu.recurrent == pytest.approx(real.shares["CUDA0"].context, abs=MIB // 8)
    within = max(4 * MIB, WIDER.get(model, compute_tolerance(model)) * real.shares["CUDA0"].compute)
    assert gpu.compute == pytest.approx(real.shares["CUDA0"].compute, abs=within)
    assert host.compute == pytest.approx(real.shares["CPU"].compute, rel=0.02, abs=25 * MIB)


def options_of(asked: dict[str, Any]) -> RunOptions:
    """The planner's options for those of the engine."""
    names = {F16: "f16", Q8_0: "q8_0"}
    return RunOptions(
        n_ctx=asked["n_ctx"],
        n_ubatch=asked.get("n_ubatch", 512),
        n_batch=2048,
        n_parallel=asked.get("n_parallel", 1),
        flash_attn=asked.get("flash_attn", True),
        type_k=names[asked.get("type_k", F16)],
        type_v=names[asked.get("type_v", F16)],
    )


BY_HAND = [
    ("llama-3.1-8b", [24], 20, 0.12),
    ("qwen3-8b", [24], 20, 0.02),
    ("mixtral-8x7b", [24], 20, 0.02),
    ("qwen3-30b-a3b", [24], 20, 0.15),
    ("gemma-3-12b", [24], 20, 0.15),
    ("gpt-oss-20b", [24], 20, 0.05),
    ("llama-3.1-8b", [24, 24], 33, 0.001),
    ("llama-3.1-8b", [8, 8, 8, 8], 33, 0.001),
    ("qwen3-30b-a3b", [24, 24], 49, 0.001),
    ("gemma-3-12b", [12, 12], 49, 0.001),
    ("llama-3.3-70b", [48, 48], 81, 0.001),
    ("phi-4", [12, 24], 41, 0.001),
]


@pytest.mark.parametrize(("model", "free_gib", "n_gpu_layers", "within"), BY_HAND)
def test_layers_set_by_hand_are_split_as_the_engine_splits_them(
    model: str, free_gib: list[int], n_gpu_layers: int, within: float, tmp_path: Path
) -> None:
    """In part on the host, and as a pipeline over several devices."""
    path = write_sparse(RECIPES[model], tmp_path)
    shape = read_file_shape(path)
    real = project(path, [free * 1024 for free in free_gib], 8192, fit=False, n_gpu_layers=n_gpu_layers)
    machine = paper_machine(free_gib)
    plan = place(shape, resolve(RunOptions(n_ctx=8192, n_gpu_layers=n_gpu_layers), shape, machine), machine)
    for index, planned in enumerate(plan.devices):
        share = real.shares[f"CUDA{index}"]
        parts = planned.components
        assert parts.weights / MIB == pytest.approx(share.model / MIB, abs=0.2)
        assert parts.kv_cache == share.context
        assert parts.compute == pytest.approx(share.compute, rel=within, abs=4 * MIB)


MODELS = ("llama-3.1-8b", "qwen3-30b-a3b", "gpt-oss-20b", "gemma-3-12b", "mixtral-8x7b", "qwen3.5-35b-a3b")
MACHINES = [[4], [8], [12], [24], [12, 12], [24, 8], [6, 10, 16]]


@pytest.mark.parametrize("free_gib", MACHINES, ids=str)
@pytest.mark.parametrize("model", MODELS)
def test_what_does_not_fit_is_placed_as_the_engine_places_it(model: str, free_gib: list[int], tmp_path: Path) -> None:
    path = write_sparse(RECIPES[model], tmp_path)
    shape = read_file_shape(path)
    real = project(path, [free * 1024 for free in free_gib], 8192)
    machine = paper_machine(free_gib)
    plan = place(shape, resolve(RunOptions(n_ctx=8192), shape, machine), machine)
    counts, without_experts = placed_by_engine(real, shape)
    # The scratch memory of a divided model is off by a few MiB, which may be one layer's.
    assert plan.n_gpu_layers == pytest.approx(sum(counts), abs=1)
    assert plan.n_expert_layers == pytest.approx(without_experts, abs=1)
    if len(counts) == len(free_gib):
        assert [device.n_layers for device in plan.devices] == pytest.approx(counts, abs=1)


def placed_by_engine(real: Projection, shape: ModelShape) -> tuple[list[int], int]:
    """Layers on each device, and how many of them are without their experts."""
    total = shape.n_layer + 1 if real.n_gpu_layers < 0 else real.n_gpu_layers
    counts = [int(count) for count in real.tensor_split] if any(real.tensor_split) else [total]
    layers = {int(pattern.split("\\.")[1]) for pattern, _ in real.overrides}
    return counts, sum(layer < shape.n_layer for layer in layers)
