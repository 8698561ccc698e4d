"""Ollama's own estimate, held against what v0.11.4 answers.

`tests/data/ollama_estimates.jsonl` was recorded from its Go code (`EstimateGPULayers` behind the choice of GPUs in
server/sched.go), given the same headers with a vocabulary, and devices by library and free bytes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kdmgr.fit.assess import assess
from kdmgr.fit.estimator import Estimate, estimate
from kdmgr.fit.machine import Backend, Host, Machine
from kdmgr.fit.options import EngineBuild, ResolvedOptions, RunOptions, resolve
from kdmgr.fit.placement import place
from kdmgr.fit.plan import MemoryPlan
from kdmgr.gguf.shape import ModelShape
from tests.support.machines import GIB, gpu, machine
from tests.support.shapes import read_file_shape, shape
from tests.support.sparse import RECIPES, Recipe, write_sparse

DATA = Path(__file__).parents[1] / "data" / "ollama_estimates.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in DATA.read_text().splitlines()]
LLAMA = "llama-3.1-8b"
OLD = EngineBuild.OLLAMA_011


def change(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """The recipe under another architecture's name, or with more keys and tensors."""
    old, new = recipe.architecture, changes.get("architecture", recipe.architecture)
    metadata = {
        f"{new}{key[len(old) :]}" if key.startswith(f"{old}.") else key: recipe.metadata[key] for key in recipe.metadata
    }
    metadata |= {f"{new}.{key}": value for key, value in changes.get("metadata", {}).items()}
    tensors = [*recipe.tensors, *((name, extents, kind) for name, extents, kind in changes.get("tensors", ()))]
    return replace(recipe, metadata={**metadata, "general.architecture": new}, tensors=tensors)


def read_row_shape(row: dict[str, Any], folder: Path) -> ModelShape:
    if not row["changes"]:
        return shape(row["model"])
    return read_file_shape(write_sparse(change(RECIPES[row["model"]], row["changes"]), folder))


def read_row_machine(row: dict[str, Any]) -> Machine:
    devices = tuple(
        replace(gpu(1, backend=Backend(library)), free_bytes=free, total_bytes=free) for library, free in row["devices"]
    )
    return Machine(devices, Host(None, 4, row["host_total"], row["host_free"], "declared"), declared=True)


def resolve_row(row: dict[str, Any], model: ModelShape, on: Machine) -> ResolvedOptions:
    wanted = RunOptions(
        n_ctx=row["n_ctx"],
        n_parallel=row["n_parallel"],
        n_batch=row["n_batch"],
        n_ubatch=row["n_batch"],
        type_k=row["cache_type"],
        type_v=row["cache_type"],
        flash_attn=row["flash_attn"],
        engine_build=OLD,
        n_gpu_layers=row["n_gpu_layers"],
        projector_bytes=row["projector"],
        gpu_overhead_bytes=row["gpu_overhead"],
    )
    return resolve(wanted, model, on)


@pytest.mark.parametrize("row", ROWS, ids=[f"{index}-{row['model']}" for index, row in enumerate(ROWS)])
def test_it_is_what_that_ollama_answers(row: dict[str, Any], tmp_path: Path) -> None:
    model, on = read_row_shape(row, tmp_path), read_row_machine(row)
    found = estimate(model, resolve_row(row, model, on), on)
    assert found is not None
    assert {
        "n_layers": found.n_layers,
        "total_bytes": found.total_bytes,
        "vram_bytes": found.vram_bytes,
        "devices": list(found.devices),
        "device_layers": list(found.device_layers),
        "device_bytes": list(found.device_bytes),
    } == row["outcome"]


NOT_RECORDED = {"rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7", "grok"}


def test_the_recorded_answers_are_of_all_kinds() -> None:
    recorded = {RECIPES[row["model"]].architecture for row in ROWS}
    assert recorded == {recipe.architecture for recipe in RECIPES.values()} - NOT_RECORDED
    layers = [(row["outcome"]["n_layers"], len(row["outcome"]["devices"])) for row in ROWS]
    assert sum(n == 0 for n, _ in layers) >= 5
    assert sum(count > 1 for _, count in layers) >= 20


def plan(on: Machine, name: str = LLAMA, **options: Any) -> MemoryPlan:
    model = shape(name)
    return place(model, resolve(RunOptions(engine_build=OLD, **options), model, on), on)


def estimated(found: MemoryPlan) -> Estimate:
    assert found.estimate is not None
    return found.estimate


def test_the_plan_follows_the_estimate_with_the_output_layer_last() -> None:
    found = plan(machine(gpu(6)), n_ctx=8192)
    assert 0 < estimated(found).n_layers < 33
    assert (found.n_gpu_layers, found.n_layers) == (estimated(found).n_layers, 33)
    weights = shape(LLAMA).weights
    assert found.devices[0].components.weights == sum(weights.blocks[32 - found.n_gpu_layers :])
    assert found.host.components.weights == weights.total - found.devices[0].components.weights


def test_what_is_allocated_is_not_what_is_estimated() -> None:
    found = plan(machine(gpu(24)), n_ctx=8192)
    assert found.whole
    buffers = found.devices[0].components
    assert buffers.known - (buffers.overhead or 0) != estimated(found).vram_bytes


def test_layers_are_split_as_they_were_counted() -> None:
    found = plan(machine(gpu(3), gpu(4)), n_ctx=4096)
    assert tuple(device.n_layers for device in found.devices) == estimated(found).device_layers
    assert found.host.n_layers == 33 - estimated(found).n_layers


def test_one_card_that_holds_all_is_taken_alone() -> None:
    found = plan(machine(gpu(8), gpu(24)), n_ctx=4096)
    assert [device.n_layers for device in found.devices] == [0, 33]
    assert estimated(found).devices == (1,)


def test_layers_set_by_hand_are_more_than_the_estimate_if_need_be() -> None:
    found = plan(machine(gpu(4)), n_gpu_layers=30)
    assert 0 < estimated(found).n_layers < 30
    assert found.n_gpu_layers == 30


def test_layers_that_only_predict_are_counted_but_not_placed(tmp_path: Path) -> None:
    changed = change(RECIPES["llama-3.2-1b"], {"metadata": {"nextn_predict_layers": 2}})
    model, on = read_file_shape(write_sparse(changed, tmp_path)), machine(gpu(12))
    found = place(model, resolve(RunOptions(engine_build=OLD), model, on), on)
    assert (estimated(found).n_layers, found.n_gpu_layers, found.n_layers) == (17, 15, 15)


@pytest.mark.parametrize("backend", [Backend.VULKAN, Backend.SYCL])
def test_libraries_it_did_not_have_are_not_used(backend: Backend) -> None:
    found = plan(machine(gpu(24, backend=backend)))
    assert (found.n_gpu_layers, estimated(found).vram_bytes) == (0, 0)


def test_a_reserve_costs_layers() -> None:
    free = estimated(plan(machine(gpu(6))))
    kept = estimated(plan(machine(gpu(6)), gpu_overhead_bytes=GIB))
    assert kept.n_layers < free.n_layers


def test_nothing_is_estimated_without_a_vocabulary_or_for_other_builds() -> None:
    on = machine(gpu(6))
    model = shape(LLAMA)
    blind = replace(model, ollama_view=replace(model.ollama_view, n_vocab=None))
    assert estimate(blind, resolve(RunOptions(engine_build=OLD), model, on), on) is None
    assert any(
        "Ollama would estimate" in line
        for line in assess(blind, on, RunOptions(engine_build=OLD), ref="x", source="file").unknown
    )
    for build in EngineBuild:
        options = resolve(RunOptions(engine_build=build), model, on)
        assert (place(model, options, on).estimate is not None) is (build is OLD)


def test_it_had_defaults_of_its_own() -> None:
    model, on = shape(LLAMA), machine(gpu(24))
    old = resolve(RunOptions(engine_build=OLD), model, on)
    assert (old.n_ctx, old.n_ubatch, old.flash_attn) == (4096, 512, False)
    assert resolve(RunOptions(), model, on).flash_attn
    assert resolve(RunOptions(engine_build=OLD, type_k="q8_0", type_v="q8_0"), model, on).flash_attn
