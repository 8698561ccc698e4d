"""Speed against published measurements, and silence where nothing is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdmgr.fit.assess import assess
from kdmgr.fit.machine import Backend, Device
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import FitReport
from tests.support.machines import gpu, machine
from tests.support.shapes import shape


def report(device: Device, name: str = "llama-3.1-8b", n_ctx: int = 4096, bandwidth: int | None = None) -> FitReport:
    return assess(shape(name), machine(device, bandwidth=bandwidth), RunOptions(n_ctx=n_ctx), ref=name, source="file")


def test_a_7b_at_q4_on_an_rtx_4090_runs_at_130_to_190() -> None:
    card = replace(gpu(24), bandwidth=1_010_000_000_000, architecture="Ada Lovelace", compute_capability="8.9")
    speed = report(card, "qwen2.5-7b").speed
    assert speed is not None
    assert speed.decode_tok_s is not None
    assert 115 < speed.decode_tok_s < 190
    assert speed.grade == "high"


def test_phi_3_mini_on_an_rtx_3060_runs_at_about_84_to_107() -> None:
    speed = report(gpu(12), "phi-3-mini-4k").speed
    assert speed is not None
    assert speed.decode_tok_s is not None
    assert 75 < speed.decode_tok_s < 110
    assert speed.low_tok_s is not None
    assert speed.high_tok_s is not None
    assert speed.low_tok_s <= speed.decode_tok_s * 0.75
    assert speed.high_tok_s >= speed.decode_tok_s * 1.299


def test_a_small_model_is_graded_lower() -> None:
    speed = report(gpu(12), "qwen3-0.6b").speed
    assert speed is not None
    assert speed.grade == "medium"


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        (replace(gpu(12), bandwidth=None), "no bandwidth known"),
        (gpu(12, backend=Backend.SYCL), "no figures for"),
        (gpu(4), "has not been measured"),
    ],
    ids=["unknown bandwidth", "unmeasured family", "spill"],
)
def test_what_cannot_be_told_is_said_and_not_made_up(device: Device, reason: str) -> None:
    found = report(device)
    assert found.speed is None
    assert any(reason in sentence for sentence in found.unknown)


def test_spill_to_the_host_costs_what_the_hosts_memory_costs() -> None:
    whole, spilled = report(gpu(12)).speed, report(gpu(4), bandwidth=40_000_000_000).speed
    assert whole is not None
    assert spilled is not None
    assert whole.decode_tok_s is not None
    assert spilled.decode_tok_s is not None
    assert spilled.decode_tok_s < whole.decode_tok_s / 2


def test_on_the_cpu_the_memory_is_a_bound_and_no_prediction() -> None:
    found = assess(shape("llama-3.1-8b"), machine(bandwidth=40_000_000_000), ref="x", source="file")
    assert found.speed is not None
    assert found.speed.decode_tok_s is None
    assert found.speed.grade == "bound"
    assert found.speed.high_tok_s == pytest.approx(40e9 / found.shape.weights.total, rel=0.15)
