"""What must hold for any model, machine and options."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import pytest

from kdmgr.fit.graph.builder import Place
from kdmgr.fit.layout import Costs
from kdmgr.fit.options import RunOptions, resolve
from kdmgr.fit.placement import place
from kdmgr.fit.plan import MemoryPlan
from kdmgr.gguf.shape import ModelShape
from tests.support.comparing import CPU_ONLY, MIB
from tests.support.machines import paper_machine
from tests.support.shapes import shape

MODELS = (
    "llama-3.1-8b",
    "gemma-3-12b",
    "qwen3-30b-a3b",
    "deepseek-v2-lite",
    "qwen3.5-9b",
    "granite-4.0-h-tiny",
    "gpt-oss-20b",
)
MACHINES = ([], [4], [10], [24], [8, 8], [24, 8], [6, 10, 16])


def plan(model: ModelShape, free_gib: list[int], options: RunOptions) -> MemoryPlan:
    machine = paper_machine(free_gib)
    return place(model, resolve(options, model, machine), machine)


def on_one_gpu(model: ModelShape, options: RunOptions) -> int:
    """Bytes on a device that holds everything."""
    costs = Costs(model, resolve(options, model, CPU_ONLY), 1)
    return costs.shares([Place(0)] * (model.n_layer + 1))[0].known


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("free_gib", MACHINES, ids=str)
def test_places_add_up_to_the_whole(name: str, free_gib: list[int]) -> None:
    model = shape(name)
    found = plan(model, free_gib, RunOptions(n_ctx=8192))
    weights = model.weights
    # The token table of a tied model is there twice when the output layer is on a device.
    copies = weights.token_embd if weights.copied and found.n_gpu_layers else 0
    assert found.components.weights == weights.total + copies
    assert sum(device.n_layers for device in found.devices) + found.host.n_layers == found.n_layers
    total = found.host.components
    for device in found.devices:
        total += device.components
    assert total == found.components


@pytest.mark.parametrize("name", MODELS)
def test_memory_does_not_fall_when_more_is_asked_for(name: str) -> None:
    model = shape(name)
    base = RunOptions(n_ctx=4096, n_batch=2048)
    grown = [
        [replace(base, n_ctx=n_ctx) for n_ctx in (2048, 4096, 8192, 16384, 32768)],
        [replace(base, n_parallel=slots) for slots in (1, 2, 4, 8)],
        [replace(base, n_ubatch=n_ubatch) for n_ubatch in (128, 256, 512, 1024, 2048)],
        [replace(base, type_k=kind, type_v=kind) for kind in ("q4_0", "q8_0", "f16", "f32")],
    ]
    for steps in grown:
        sizes = [on_one_gpu(model, options) for options in steps]
        assert sizes == sorted(sizes), steps


@pytest.mark.parametrize("name", MODELS)
def test_more_free_memory_never_offloads_fewer_layers(name: str) -> None:
    model = shape(name)
    whole = [plan(model, [free], RunOptions(n_ctx=8192)) for free in range(1, 40)]
    layers = [(found.n_gpu_layers, -found.n_expert_layers) for found in whole]
    assert [n for n, _ in layers] == sorted(n for n, _ in layers)
    full = [experts for n, experts in layers if n == model.n_layer + 1]
    assert full == sorted(full)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("free_gib", [[4], [10], [8, 8], [6, 10, 16]], ids=str)
def test_a_fitted_plan_leaves_the_margin_on_every_device(name: str, free_gib: list[int]) -> None:
    found = plan(shape(name), free_gib, RunOptions(n_ctx=8192))
    for device in found.devices:
        margin = 0 if found.whole else 1024 * MIB
        assert device.components.known <= (device.free_bytes or 0) - margin


@pytest.mark.parametrize("name", MODELS)
def test_planning_takes_milliseconds(name: str) -> None:
    """Not a benchmark: only that a slider can follow. The figures are printed by benchmarks/peers.py."""
    model = shape(name)
    plan(model, [24], RunOptions(n_ctx=8192))
    started = perf_counter()
    for n_ctx in range(4096, 4096 + 20 * 256, 256):
        plan(model, [64], RunOptions(n_ctx=n_ctx))
    assert (perf_counter() - started) / 20 < 0.05
