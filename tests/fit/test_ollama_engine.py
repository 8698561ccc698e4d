"""Plans for Ollama's own engine, held against what it answered (tests/data/ollama_engine.jsonl)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kdmgr.fit.assess import assess
from kdmgr.fit.explain import explain
from kdmgr.fit.options import EngineBuild, ResolvedOptions, RunOptions, resolve
from kdmgr.fit.placement import place
from kdmgr.fit.plan import FitReport, Verdict
from kdmgr.gguf.shape import ModelShape
from tests.support.comparing import CPU_ONLY, MIB
from tests.support.ollama_loads import EngineLoad, read_loads, settle
from tests.support.ollama_recipes import ENGINE_RECIPES, engine_shape
from tests.support.shapes import read_file_shape, shape

LOADS = read_loads()
UNKNOWN_GRAPHS = {"nemotron_h", "nemotron_h_moe", "qwen35"}


@pytest.mark.parametrize("load", LOADS, ids=lambda load: f"{load.model} {load.option_set}")
def test_a_plan_is_what_the_engine_allocates(load: EngineLoad) -> None:
    shape = engine_shape(load.model)
    parts = place(shape, settle(shape, load.option_set), CPU_ONLY).host.components
    assert (parts.weights, (parts.kv_cache or 0) + (parts.recurrent or 0)) == (load.weights, load.cache)
    expected = None if shape.architecture in UNKNOWN_GRAPHS else load.graph
    assert parts.compute == expected


def test_every_model_was_asked_about() -> None:
    assert {load.model for load in LOADS} == set(ENGINE_RECIPES)


def test_the_engine_is_chosen_by_the_architecture() -> None:
    def resolved(name: str, **asked: Any) -> ResolvedOptions:
        return resolve(RunOptions(n_ctx=4096, engine_build=EngineBuild.OLLAMA_024, **asked), shape(name), CPU_ONLY)

    assert resolved("qwen3-8b").in_ollamas_engine
    assert not resolved("llama-3.1-8b").in_ollamas_engine
    # With a projector in a file of its own, llama.cpp runs it.
    assert not resolved("gemma-3-4b", projector_bytes=1 << 30).in_ollamas_engine


def test_the_server_settles_what_the_engine_cannot_do() -> None:
    def settled(name: str, **asked: Any) -> ResolvedOptions:
        return resolve(RunOptions(n_ctx=4096, engine_build=EngineBuild.OLLAMA_024, **asked), shape(name), CPU_ONLY)

    one_slot = settled("lfm2-1.2b", n_parallel=4)
    assert (one_slot.n_parallel, len(one_slot.notes)) == (1, 1)
    coarse = settled("qwen3-8b", type_k="q5_1", type_v="q5_1")
    assert (coarse.type_k, coarse.notes) == (
        "f16",
        ("Ollama's engine takes a cache of f16, q8_0 or q4_0, the same for K and V: planned with f16",),
    )
    # Flash attention is off by default for gemma 3n, and with it a quantised cache.
    plain = settled("gemma-3n-e4b", type_k="q8_0", type_v="q8_0")
    assert (plain.flash_attn, plain.type_k) == (False, "f16")
    assert settled("gemma-3n-e4b", type_k="q8_0", type_v="q8_0", flash_attn=True).type_k == "q8_0"
    whole = settled("nomic-embed-text-v1.5")
    assert (whole.n_batch, whole.flash_attn) == (2048, False)


def test_a_real_log_is_met_to_the_printed_digit(gemma_gguf: Path) -> None:
    """`model weights` 405.2, `kv cache` 27.0, `compute graph` 23.5, `total memory` 455.7 MiB, on the CPU at 4096."""
    found = read_file_shape(gemma_gguf)
    for n_ctx, printed in ((4096, (405.2, 27.0, 23.5)), (2048, (405.2, 21.0, 19.5)), (32768, (405.2, 111.0, 51.5))):
        options = resolve(RunOptions(n_ctx=n_ctx, engine_build=EngineBuild.OLLAMA_024), found, CPU_ONLY)
        parts = place(found, options, CPU_ONLY).host.components
        sizes = (parts.weights, parts.kv_cache or 0, parts.compute or 0)
        assert tuple(round(size / MIB, 1) for size in sizes) == printed


def test_a_graph_that_is_not_known_is_said_to_be() -> None:
    found = report(engine_shape("nemotron-nano-9b-v2"))
    assert found.verdict is Verdict.UNKNOWN
    assert "compute buffer: the graph of this architecture in Ollama's own engine is not known" in found.unknown


def test_the_figures_are_explained() -> None:
    steps = {step.name: step for step in explain(report(engine_shape("gemma-3-1b")))}
    assert "the head being the token table again" in steps["weights"].inputs
    assert steps["KV of 22 sliding layers"].inputs.startswith("22 × 1024 ×")
    assert "the graph of Ollama's own engine" in steps["host: compute"].formula


def report(found: ModelShape) -> FitReport:
    return assess(found, CPU_ONLY, RunOptions(n_ctx=4096, engine_build=EngineBuild.OLLAMA_024), ref="m", source="file")
