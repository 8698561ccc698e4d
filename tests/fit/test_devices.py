"""The plan on GPUs beside llama.cpp's own, on devices that exist only on paper."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kdmgr.fit.compute import compute_buffers
from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.graph.builder import Place
from kdmgr.fit.kv_cache import layer_bytes, state_bytes
from kdmgr.fit.layout import Costs
from kdmgr.fit.options import RunOptions, resolve
from kdmgr.fit.placement import lay_out, make_costs, place
from kdmgr.gguf.shape import ModelShape
from tests.support.comparing import COMPUTE_WITHIN, CPU_ONLY, MIB
from tests.support.gpu_oracle import Projection, project
from tests.support.machines import paper_machine
from tests.support.shapes import read_file_shape
from tests.support.sparse import RECIPES, write_sparse

HUGE_MIB = 1 << 20
# GGML_TYPE_F16 and GGML_TYPE_Q8_0
F16, Q8_0 = 1, 8
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
    asked = variant_for(shape, VARIANTS[turn % len(VARIANTS)])
    options = resolve(options_of(asked), shape, CPU_ONLY)
    real = project(path, [HUGE_MIB], **asked)
    shares = Costs(shape, options, 1, widens_cache=True).shares([Place(0)] * (shape.n_layer + 1))
    gpu, host = shares[0], shares[HOST]
    assert gpu.weights / MIB == pytest.approx(real.shares["CUDA0"].model / MIB, abs=0.2)
    assert host.weights / MIB == pytest.approx(real.shares["CPU"].model / MIB, abs=0.2)
    assert (gpu.kv_cache or 0) + gpu.recurrent == pytest.approx(real.shares["CUDA0"].context, abs=MIB // 8)
    assert gpu.compute == pytest.approx(real.shares["CUDA0"].compute, abs=COMPUTE_WITHIN * MIB)
    assert host.compute == pytest.approx(real.shares["CPU"].compute, abs=COMPUTE_WITHIN * MIB)


def variant_for(shape: ModelShape, variant: dict[str, Any]) -> dict[str, Any]:
    """`variant` within what the model was trained for and the engine takes."""
    asked = {**variant, "n_ctx": min(variant["n_ctx"], shape.n_ctx_train or variant["n_ctx"])}
    heads = shape.attention.n_embd_head_k if shape.attention else ()
    if any(head % 32 for head in heads) or shape.architecture == "grok":
        # "K cache type q8_0 with block size 32 does not divide n_embd_head_k", "V cache quantization requires
        # flash_attn"
        asked |= {"type_k": 1, "type_v": 1}
    return asked


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


@pytest.mark.parametrize("n_parallel", [1, 3])
@pytest.mark.parametrize(
    "model", ["qwen3.5-9b", "nemotron-nano-9b-v2", "lfm2-1.2b", "lfm2-8b-a1b", "granite-4.0-h-tiny", "mamba2-2.7b"]
)
def test_states_for_tokens_that_may_be_taken_back(model: str, n_parallel: int, tmp_path: Path) -> None:
    """One for each drafted token and slot, where the architecture can take tokens back."""
    path = write_sparse(RECIPES[model], tmp_path)
    shape = read_file_shape(path)
    assert shape.attention is not None
    real = project(path, [HUGE_MIB], 4096, fit=False, n_parallel=n_parallel, n_rs_seq=4)
    options = resolve(RunOptions(n_ctx=4096, n_parallel=n_parallel), shape, CPU_ONLY)
    planned = sum(layer_bytes(shape.attention, options)) + sum(state_bytes(shape, options, n_rollback=4))
    # A buffer ends with a few bytes of padding.
    assert planned == pytest.approx(real.shares["CUDA0"].context, abs=1024)


# Half of the layers on the host, the batch on the device: where its scratch memory is known to be off, in MiB.
# Gemma 3n and falcon-h1 mix what lies here and there in each layer.
HALF_OFF = {"embeddinggemma-300m": 1.6, "falcon-h1-0.5b": 2.1, "gemma-3n-e4b": 46, "gemma-4-26b-a4b": 2.2}
# As a pipeline over two devices.
PAIR_OFF = {"embeddinggemma-300m": 0.6, "gemma-3n-e4b": 141, "gemma-4-e4b": 5.1, "granite-4.0-h-tiny": 6.1}
HALVES: list[dict[str, Any]] = [
    {"n_ctx": 8192},
    {"n_ctx": 65536},
    {"n_ctx": 4096, "n_ubatch": 2048},
    {"n_ctx": 4096, "flash_attn": False},
    {"n_ctx": 16384, "type_k": Q8_0, "type_v": Q8_0},
    {"n_ctx": 4096, "n_parallel": 4},
]


def some_models() -> list[tuple[int, str]]:
    """Every fifth model, or all with `KDMGR_TEST_ALL=1`."""
    return list(enumerate(RECIPES))[:: 1 if os.environ.get("KDMGR_TEST_ALL") else 5]


@pytest.mark.parametrize(("turn", "model"), some_models())
def test_a_model_half_on_the_host_takes_what_the_plan_says(turn: int, model: str, tmp_path: Path) -> None:
    """Weights and caches come to the device piece by piece, in the order that decides how they fit together."""
    path = write_sparse(RECIPES[model], tmp_path)
    shape = read_file_shape(path)
    asked = variant_for(shape, HALVES[turn % len(HALVES)])
    n_gpu_layers = (shape.n_layer + 1) // 2
    real = project(path, [HUGE_MIB], fit=False, n_gpu_layers=n_gpu_layers, **asked)
    places = [Place()] * (shape.n_layer + 1 - n_gpu_layers) + [Place(0)] * n_gpu_layers
    options = resolve(options_of(asked), shape, CPU_ONLY)
    planned = compute_buffers(shape, options, places, 1, widens_cache=True)
    within = HALF_OFF.get(model, COMPUTE_WITHIN) * MIB
    assert planned.devices[0] == pytest.approx(real.shares["CUDA0"].compute, abs=within)
    assert planned.host == pytest.approx(real.shares["CPU"].compute, abs=0.1 * MIB)


@pytest.mark.parametrize(("turn", "model"), some_models())
def test_a_pipeline_takes_what_the_plan_says(turn: int, model: str, tmp_path: Path) -> None:
    path = write_sparse(RECIPES[model], tmp_path)
    shape = read_file_shape(path)
    asked = variant_for(shape, VARIANTS[turn % len(VARIANTS)])
    real = project(path, [HUGE_MIB, HUGE_MIB], **asked)
    machine = paper_machine([HUGE_MIB // 1024] * 2)
    costs = make_costs(shape, resolve(options_of(asked), shape, machine), machine.devices)
    planned = costs.shares(lay_out(costs, machine.devices), projected=True)
    within = PAIR_OFF.get(model, COMPUTE_WITHIN) * MIB
    for where, name in ((0, "CUDA0"), (1, "CUDA1"), (HOST, "CPU")):
        assert planned[where].weights / MIB == pytest.approx(real.shares[name].model / MIB, abs=0.2)
        assert planned[where].compute == pytest.approx(real.shares[name].compute, abs=within)


BY_HAND = [
    ("llama-3.1-8b", [24], 20),
    ("qwen3-8b", [24], 20),
    ("mixtral-8x7b", [24], 20),
    ("qwen3-30b-a3b", [24], 20),
    ("gemma-3-12b", [24], 20),
    ("gpt-oss-20b", [24], 20),
    ("llama-3.1-8b", [24, 24], 33),
    ("llama-3.1-8b", [8, 8, 8, 8], 33),
    ("qwen3-30b-a3b", [24, 24], 49),
    ("gemma-3-12b", [12, 12], 49),
    ("llama-3.3-70b", [48, 48], 81),
    ("phi-4", [12, 24], 41),
]


@pytest.mark.parametrize(("model", "free_gib", "n_gpu_layers"), BY_HAND)
def test_layers_set_by_hand_are_split_as_the_engine_splits_them(
    model: str, free_gib: list[int], n_gpu_layers: int, tmp_path: Path
) -> None:
    """In part on the host, and as a pipeline over several devices."""
    path = write_sparse(RECIPES[model], tmp_path)
    shape = read_file_shape(path)
    real = project(path, [free * 1024 for free in free_gib], 8192, fit=False, n_gpu_layers=n_gpu_layers)
    machine = paper_machine(free_gib)
    options = resolve(RunOptions(n_ctx=8192, n_gpu_layers=n_gpu_layers), shape, machine)
    costs = make_costs(shape, options, machine.devices)
    planned = costs.shares(lay_out(costs, machine.devices), projected=True)
    for index in range(len(free_gib)):
        share = real.shares[f"CUDA{index}"]
        assert planned[index].weights / MIB == pytest.approx(share.model / MIB, abs=0.2)
        assert planned[index].kv_cache == share.context
        assert planned[index].compute == pytest.approx(share.compute, abs=COMPUTE_WITHIN * MIB)


MODELS = ("llama-3.1-8b", "qwen3-30b-a3b", "gpt-oss-20b", "gemma-3-12b", "mixtral-8x7b", "qwen3.5-35b-a3b")
MACHINES = [[4], [8], [12], [24], [12, 12], [24, 8], [6, 10, 16]]


@pytest.mark.parametrize("free_gib", MACHINES, ids=str)
@pytest.mark.parametrize("model", MODELS)
def test_what_does_not_fit_is_placed_as_the_engine_places_it(model: str, free_gib: list[int], tmp_path: Path) -> None:
    path = write_sparse(RECIPES[model], tmp_path)
    shape = read_file_shape(path)
    real = project(path, [free * 1024 for free in free_gib], 8192)
    machine = paper_machine(free_gib)
    plan = place(shape, resolve(RunOptions(n_ctx=8192, keeps_margin=True), shape, machine), machine)
    counts, without_experts = placed_by_engine(real, shape)
    assert plan.n_gpu_layers == sum(counts)
    assert plan.n_expert_layers == without_experts
    if len(counts) == len(free_gib):
        assert [device.n_layers for device in plan.devices] == counts


def placed_by_engine(real: Projection, shape: ModelShape) -> tuple[list[int], int]:
    """Layers on each device, and how many of them are without their experts."""
    total = shape.n_layer + 1 if real.n_gpu_layers < 0 else real.n_gpu_layers
    counts = [int(count) for count in real.tensor_split] if any(real.tensor_split) else [total]
    layers = {int(pattern.split("\\.")[1]) for pattern, _ in real.overrides}
    return counts, sum(layer < shape.n_layer for layer in layers)
