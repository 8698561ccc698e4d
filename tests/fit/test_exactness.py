"""The plan beside what llama.cpp really allocates for two real models, and beside published totals."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.fit.assess import assess
from kdmgr.fit.options import RunOptions, resolve
from tests.support.comparing import CPU_ONLY, MIB, compare, plan_on_host
from tests.support.measure import measure
from tests.support.shapes import read_file_shape, shape


@pytest.mark.parametrize("cache_type", ["f16", "q8_0"])
@pytest.mark.parametrize("n_ctx", [2048, 8192, 32768])
@pytest.mark.parametrize("model", ["gemma_gguf", "smollm_gguf"])
def test_a_real_load_takes_what_the_plan_says(
    model: str, n_ctx: int, cache_type: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(model)
    found = read_file_shape(path)
    n_ctx = min(n_ctx, found.n_ctx_train or n_ctx)
    measured = measure(path, n_ctx, type_k=cache_type, type_v=cache_type)
    options = resolve(RunOptions(n_ctx=n_ctx, type_k=cache_type, type_v=cache_type), found, CPU_ONLY)
    planned = plan_on_host(found, options)
    # A mapped file is counted from its first tensor to its last, paddings included.
    compare(planned, measured, weights_within=0.02)


@pytest.mark.parametrize(
    ("name", "n_ctx", "total_gib"),
    [("llama-3.1-8b", 4096, 0.627), ("llama-3.1-8b", 32768, 4.153), ("gemma-3-12b", 32768, 2.627)],
)
def test_totals_beside_the_weights_are_those_of_published_loads(name: str, n_ctx: int, total_gib: float) -> None:
    """KV and compute of the engine's published totals, whose weights are of other quants than ours."""
    report = assess(shape(name), CPU_ONLY, RunOptions(n_ctx=n_ctx), ref=name, source="file")
    host = report.plan.host.components
    assert host.kv_cache is not None
    assert host.compute is not None
    assert (host.kv_cache + host.compute) / (MIB << 10) == pytest.approx(total_gib, abs=0.006)
