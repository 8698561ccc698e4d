"""The explanation's numbers are those of the report."""

from __future__ import annotations

import pytest

from kdmgr.fit.assess import assess
from kdmgr.fit.explain import Step, explain
from kdmgr.fit.options import RunOptions
from kdmgr.units import format_bytes
from tests.support.machines import gpu, machine
from tests.support.shapes import shape


def steps(name: str, *, n_ctx: int = 16384, free_gib: tuple[float, ...] = (12,)) -> dict[str, Step]:
    on = machine(*(gpu(free) for free in free_gib), bandwidth=40_000_000_000)
    report = assess(shape(name), on, RunOptions(n_ctx=n_ctx), ref=name, source="file")
    found = explain(report)
    assert all(step.formula and step.inputs and step.result for step in found)
    return {step.name: step for step in found}


def test_sliding_and_full_layers_are_told_apart() -> None:
    """Gemma 3 12B: 40 layers with a window of 1024, 8 with the whole context."""
    found = steps("gemma-3-12b")
    assert "40 × 1536 ×" in found["KV of 40 sliding layers"].inputs
    assert "8 × 16384 ×" in found["KV of 8 full layers"].inputs
    assert "min(n_ctx, window 1024 + n_ubatch 512)" in found["KV of 40 sliding layers"].formula


def test_states_of_fixed_size_are_explained() -> None:
    assert found_in(steps("qwen3.5-9b"), "recurrent state").result == "50.2 MiB"


def found_in(found: dict[str, Step], name: str) -> Step:
    assert name in found, sorted(found)
    return found[name]


@pytest.mark.parametrize("free_gib", [(12,), (4,), (8, 8)])
def test_every_place_is_accounted_for(free_gib: tuple[float, ...]) -> None:
    on = machine(*(gpu(free) for free in free_gib), bandwidth=40_000_000_000)
    report = assess(shape("llama-3.1-8b"), on, RunOptions(n_ctx=8192), ref="x", source="file")
    results = [step.result for step in explain(report)]
    for planned in (*report.plan.devices, report.plan.host):
        assert format_bytes(planned.components.compute) in results
    assert any(result.endswith(f"grade {report.speed.grade}") for result in results if report.speed)
