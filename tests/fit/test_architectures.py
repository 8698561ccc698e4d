"""Every architecture's plan beside llama.cpp's own projection, which equals what it then allocates.

`KDMGR_TEST_ALL=1` compares every model under every option set; else each model takes its turn at a few.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from kdmgr.fit.options import RunOptions, resolve
from kdmgr.gguf.architectures import RULES
from tests.support.comparing import CPU_ONLY, MIB, compare, plan_on_host
from tests.support.measure import measure
from tests.support.option_sets import OPTION_SETS
from tests.support.shapes import read_file_shape
from tests.support.sparse import RECIPES, Recipe, write_sparse

# Without a mapped file, which a projection has none of, these keep a second copy of the token table.
COPIES_TABLE = ("gemma3n", "gemma4")
PER_MODEL = 3


def chosen_sets() -> list[tuple[str, str]]:
    """Models and option sets to compare, so chosen that every set is met by many architectures."""
    sets = list(OPTION_SETS)
    if os.environ.get("KDMGR_TEST_ALL"):
        chosen = [(model, each) for model in RECIPES for each in sets]
    else:
        chosen = [
            (model, sets[(turn * PER_MODEL + step) % len(sets)])
            for turn, model in enumerate(RECIPES)
            for step in range(PER_MODEL)
        ]
    return [(model, each) for model, each in chosen if not refused(RECIPES[model], OPTION_SETS[each])]


def refused(recipe: Recipe, options: RunOptions) -> bool:
    """Whether the engine makes no such cache: its blocks must divide the heads, and V needs flash attention."""
    heads = recipe.metadata[f"{recipe.architecture}.attention.head_count"]
    width = recipe.metadata[f"{recipe.architecture}.embedding_length"]
    head = recipe.metadata.get(f"{recipe.architecture}.attention.key_length")
    if head is None and isinstance(heads, int) and heads:
        head = width // heads
    return options.type_v != "f16" and (recipe.architecture == "grok" or bool(head and head % 32))


@pytest.mark.parametrize(("model", "options"), chosen_sets())
def test_the_engines_own_projection_equals_the_plan(model: str, options: str, tmp_path: Path) -> None:
    path = write_sparse(RECIPES[model], tmp_path)
    shape = read_file_shape(path)
    wanted = fit_to(OPTION_SETS[options], RECIPES[model].n_ctx_train)
    resolved = resolve(wanted, shape, CPU_ONLY)
    measured = measure(
        path,
        wanted.n_ctx or 0,
        type_k=resolved.type_k,
        type_v=resolved.type_v,
        n_parallel=wanted.n_parallel,
        n_ubatch=wanted.n_ubatch or 512,
        flash_attn=wanted.flash_attn is not False,
        dry=True,
    )
    planned = plan_on_host(shape, resolved)
    if shape.architecture in COPIES_TABLE:
        planned = replace(planned, weights=planned.weights + shape.weights.token_embd / MIB)
    # A projection prints weights in whole MiB.
    compare(planned, measured, weights_within=1.01)


def fit_to(options: RunOptions, n_ctx_train: int) -> RunOptions:
    """`options` with no more context than the model was trained for."""
    return replace(options, n_ctx=min(options.n_ctx or 0, n_ctx_train))


def test_nearly_every_rule_is_held_against_the_engine() -> None:
    met = {recipe.architecture for recipe in RECIPES.values()}
    assert len(met) >= 100
    # Two are names that Ollama's converter gives to architectures met under another.
    assert set(RULES) - met <= {"dots1", "jina-bert-v3", "olmo", "step35", "gptoss", "qwen25vl"}
