"""The plan beside what llama.cpp allocates."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.fit.assess import assess
from kdmgr.fit.compute import host_compute, output_buffer
from kdmgr.fit.machine import Host, Machine
from kdmgr.fit.options import RunOptions, resolve
from kdmgr.fit.placement import place
from kdmgr.gguf.reader import read_header
from kdmgr.gguf.shape import ModelShape, read_shape
from kdmgr.gguf.source import FileSource
from tests.support.measure import Measured, measure
from tests.support.sparse import RECIPES, write_sparse

MIB = 1 << 20
CPU_ONLY = Machine(devices=(), host=Host("CPU", 2, 64 << 30, 64 << 30, "declared"))


def shape_of(path: Path) -> ModelShape:
    with path.open("rb") as file:
        return read_shape(read_header(FileSource(file)))


def compare(path: Path, options: RunOptions, measured: Measured, weights_within: float) -> None:
    """Weights and KV to the printed digit; compute within 2 % or 4 MiB."""
    shape = shape_of(path)
    resolved = resolve(options, shape, CPU_ONLY)
    components = place(shape, resolved, CPU_ONLY).host.components
    assert components.weights / MIB == pytest.approx(measured.weights, abs=weights_within)
    assert components.kv_cache is not None
    assert components.kv_cache / MIB == pytest.approx(measured.kv_cache, abs=0.006)
    compute = host_compute(shape, resolved)
    assert compute is not None
    assert compute / MIB == pytest.approx(measured.compute, abs=max(4, measured.compute * 0.02))
    output = output_buffer(shape, resolved)
    assert output is not None
    assert output / MIB == pytest.approx(measured.output, abs=0.006)


@pytest.mark.parametrize("cache_type", ["f16", "q8_0"])
@pytest.mark.parametrize("n_ctx", [2048, 8192, 32768])
@pytest.mark.parametrize("model", ["gemma_gguf", "smollm_gguf"])
def test_a_real_load_takes_what_the_plan_says(
    model: str, n_ctx: int, cache_type: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(model)
    n_ctx = min(n_ctx, shape_of(path).n_ctx_train or n_ctx)
    measured = measure(path, n_ctx, type_k=cache_type, type_v=cache_type)
    # A mapped file is counted from its first tensor to its last, paddings included.
    compare(path, RunOptions(n_ctx=n_ctx, type_k=cache_type, type_v=cache_type), measured, 0.02)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize(
    "options",
    [
        RunOptions(n_ctx=4096),
        RunOptions(n_ctx=32768, type_k="q8_0", type_v="q8_0"),
        RunOptions(n_ctx=2000, n_ubatch=2048, n_batch=2048),
        RunOptions(n_ctx=16384, type_k="q4_0", type_v="q4_0", n_ubatch=1024),
        RunOptions(n_ctx=8192, flash_attn=False),
        RunOptions(n_ctx=4096, n_parallel=4),
    ],
    ids=["4k", "32k-q8_0", "2000-ub2048", "16k-q4_0-ub1024", "8k-no-fa", "4k-4-slots"],
)
def test_the_engines_own_projection_equals_the_plan(name: str, options: RunOptions, tmp_path: Path) -> None:
    path = write_sparse(RECIPES[name], tmp_path)
    n_ctx = min(options.n_ctx or 0, RECIPES[name].n_ctx_train)
    measured = measure(
        path,
        n_ctx,
        type_k=options.type_k,
        type_v=options.type_v,
        n_parallel=options.n_parallel,
        n_ubatch=options.n_ubatch or 512,
        flash_attn=options.flash_attn,
        dry=True,
    )
    # A projection prints weights in whole MiB.
    compare(path, options, measured, 1.01)


@pytest.mark.parametrize(
    ("name", "n_ctx", "total_gib"),
    [("llama-3.1-8b", 4096, 0.627), ("llama-3.1-8b", 32768, 4.153), ("gemma-3-12b", 32768, 2.627)],
)
def test_totals_beside_the_weights_are_those_of_published_loads(
    name: str, n_ctx: int, total_gib: float, tmp_path: Path
) -> None:
    """KV and compute of the engine's published totals, whose weights are of other quants than ours."""
    shape = shape_of(write_sparse(RECIPES[name], tmp_path))
    host = assess(shape, CPU_ONLY, RunOptions(n_ctx=n_ctx), ref=name, source="file").plan.host.components
    assert host.kv_cache is not None
    assert host.compute is not None
    assert (host.kv_cache + host.compute) / (1 << 30) == pytest.approx(total_gib, abs=0.006)
