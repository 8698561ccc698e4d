"""Plans for Ollama's own engine, held against what it answered (tests/data/ollama_engine.jsonl)."""

from __future__ import annotations

import pytest

from kdmgr.fit.placement import place
from tests.support.comparing import CPU_ONLY
from tests.support.ollama_loads import EngineLoad, read_loads, settle
from tests.support.ollama_recipes import ENGINE_RECIPES, engine_shape

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
