"""Speed against published measurements, and silence where nothing is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdmgr.fit.assess import assess
from kdmgr.fit.explain import explain
from kdmgr.fit.families import find_family
from kdmgr.fit.machine import Backend, Device
from kdmgr.fit.options import RunOptions
from kdmgr.fit.pace import READING_TOK_S, describe_pace
from kdmgr.fit.plan import FitReport, Speed
from kdmgr.fit.prompt_speed import active_parameters
from kdmgr.services.wording import describe_prompt, describe_speed, short_speed
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


def test_a_70b_on_a_24_gib_card_spills_and_runs_at_about_2_to_3() -> None:
    card = replace(gpu(24), bandwidth=1_010_000_000_000, architecture="Ada Lovelace", compute_capability="8.9")
    speed = assess(
        shape("llama-3.3-70b"),
        machine(card, available_gib=60, bandwidth=55_000_000_000),
        RunOptions(n_ctx=4096),
        ref="x",
        source="file",
    ).speed
    assert speed is not None
    assert speed.decode_tok_s is not None
    assert 1.8 < speed.decode_tok_s < 3.2
    assert (speed.grade, speed.rough) == ("medium", True)
    assert "the host's at 51.22 GiB/s" in speed.basis


def test_a_small_model_is_graded_lower() -> None:
    speed = report(gpu(12), "qwen3-0.6b").speed
    assert speed is not None
    assert (speed.grade, speed.rough) == ("medium", True)


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        (replace(gpu(12), bandwidth=None), "no bandwidth known"),
        (gpu(12, backend=Backend.VULKAN), "no figures for"),
        (replace(gpu(12, backend=Backend.ROCM), architecture="GCN 4.0"), "no figures for"),
        (gpu(4), "has not been measured"),
    ],
    ids=["unknown bandwidth", "unknown vendor", "unmeasured family", "spill"],
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


def told(found: FitReport) -> Speed:
    assert found.speed is not None
    return found.speed


HBM, OLD = {"memory_type": "HBM2e"}, {"architecture": "Turing", "compute_capability": "7.5"}
FAMILIES = [
    (Backend.CUDA, "nvidia", {}, (0.808, 37, "high")),
    (Backend.CUDA, "nvidia", {"memory_type": "LPDDR5X", "compute_capability": "12.1"}, (0.808, 37, "high")),
    (Backend.CUDA, "nvidia", HBM, (0.444, 65, "medium")),
    (Backend.CUDA, "nvidia", OLD, (0.577, 0, "low")),
    (Backend.CUDA, "nvidia", {**HBM, "architecture": "Volta", "compute_capability": None}, (0.577, 0, "low")),
    (Backend.METAL, "apple", {}, (0.873, 132, "medium")),
    (Backend.ROCM, "amd", {"architecture": "RDNA 3.0"}, (0.877, 101, "high")),
    (Backend.ROCM, "amd", {**HBM, "architecture": "CDNA 2.0"}, (0.785, 148, "low")),
    (Backend.VULKAN, "amd", HBM, (0.785, 148, "low")),
    (Backend.VULKAN, "amd", {}, (0.885, 79, "medium")),
    (Backend.VULKAN, "nvidia", {}, (0.538, 7, "low")),
    (Backend.VULKAN, "nvidia", OLD, (0.538, 7, "low")),
    (Backend.VULKAN, "intel", {}, (0.564, 234, "words")),
    (Backend.SYCL, "intel", {}, (0.564, 234, "words")),
]


@pytest.mark.parametrize(("backend", "vendor", "changes", "expected"), FAMILIES)
def test_every_family_has_the_constants_fitted_to_it(
    backend: Backend, vendor: str, changes: dict[str, str], expected: tuple[float, float, str]
) -> None:
    family = find_family(replace(gpu(24, backend=backend), vendor=vendor, **changes))
    assert family is not None
    assert (family.efficiency, round(family.layer_s * 1e6), family.grade) == expected


@pytest.mark.parametrize(("backend", "vendor", "changes", "expected"), FAMILIES)
def test_the_time_of_a_token_is_the_roofline(
    backend: Backend, vendor: str, changes: dict[str, str], expected: tuple[float, float, str]
) -> None:
    efficiency, layer_us, grade = expected
    found = report(replace(gpu(24, backend=backend), vendor=vendor, **changes))
    speed, place = told(found), found.plan.devices[0]
    assert (speed.decode_tok_s is None) == (grade == "words")
    cache = 2 * 32 * 8 * 128 * 2 * 2048
    tok_s = 1 / ((place.reads + cache) / (efficiency * 360e9) + 32 * layer_us * 1e-6)
    if grade == "words":
        assert speed.words == describe_pace(tok_s)
    else:
        assert speed.decode_tok_s == pytest.approx(tok_s)


def test_an_intel_card_is_told_in_words_and_never_in_figures() -> None:
    found = report(replace(gpu(16, backend=Backend.SYCL), bandwidth=560_000_000_000), n_ctx=8192)
    speed = told(found)
    assert (speed.decode_tok_s, speed.low_tok_s, speed.high_tok_s, speed.full_tok_s) == (None,) * 4
    assert speed.words is not None
    assert speed.full_words is not None
    assert short_speed(speed) == speed.words.partition(":")[0]
    assert describe_speed(speed).startswith(speed.words)
    steps = {step.name: step.result for step in explain(found)}
    assert steps["speed"] == f"{speed.words}, grade words"
    assert steps["speed at full context"] == speed.full_words
    assert "tok/s" not in describe_speed(speed) + steps["speed"] + steps["speed at full context"]


@pytest.mark.parametrize(
    ("paces", "words"),
    [
        (0.1, "very slow: far below reading pace"),
        (0.33, "very slow: far below reading pace"),
        (0.34, "slow: below reading pace"),
        (0.76, "fair: about reading pace"),
        (1.9, "fair: about reading pace"),
        (2.1, "fast: ahead of reading pace"),
        (6.1, "very fast: far ahead of reading"),
    ],
)
def test_the_words_are_relative_to_reading(paces: float, words: str) -> None:
    assert pytest.approx(5.29, abs=0.01) == READING_TOK_S
    assert describe_pace(paces * READING_TOK_S) == words


@pytest.mark.parametrize(
    ("device", "model", "rough"),
    [
        (gpu(12), "llama-3.1-8b", False),
        (gpu(12), "qwen3-0.6b", True),
        (gpu(4), "llama-3.1-8b", True),
        (replace(gpu(12, backend=Backend.VULKAN), vendor="nvidia"), "llama-3.1-8b", True),
        (replace(gpu(12, backend=Backend.VULKAN), vendor="amd"), "llama-3.1-8b", False),
    ],
    ids=["plain", "small model", "spill", "low grade", "medium grade"],
)
def test_what_is_predicted_badly_is_said_to_be_rough(device: Device, model: str, rough: bool) -> None:
    speed = told(report(device, model, bandwidth=40_000_000_000))
    assert speed.rough is rough
    assert describe_speed(speed).startswith("roughly ") is rough
    assert short_speed(speed).startswith("~") is rough


def test_beside_the_figure_stand_quant_backend_bandwidth_and_depth() -> None:
    basis = told(report(gpu(12))).basis
    assert all(part in basis for part in ("Q4_K_M on CUDA, GDDR at 335.28 GiB/s (GPU table)", "2048 tokens deep"))


def test_a_full_context_is_slower_and_rough_beyond_4k() -> None:
    short, shallow, deep = (report(gpu(24), n_ctx=n_ctx) for n_ctx in (1024, 4096, 32768))
    assert told(short).full_tok_s == told(short).decode_tok_s
    assert "speed at full context" not in {step.name for step in explain(short)}
    cache_s = 2 * 32 * 8 * 128 * 2 * (32768 - 2048) / (0.808 * 360e9)
    assert told(deep).full_tok_s == pytest.approx(1 / (1 / (told(deep).decode_tok_s or 0) + cache_s))
    results = [{step.name: step.result for step in explain(each)}["speed at full context"] for each in (shallow, deep)]
    assert [result.startswith("roughly ") for result in results] == [False, True]


def test_devices_of_two_families_each_read_at_their_own_rate() -> None:
    """An old card beside a new one: the layers' time of the slower kind, the grade of the less trusted."""
    new, old = gpu(8), replace(gpu(8), index=1, architecture="Pascal", compute_capability="6.1")
    found = assess(shape("phi-4"), machine(new, old), RunOptions(n_ctx=2048), ref="x", source="file")
    speed = told(found)
    reads = [place.reads for place in found.plan.devices]
    assert all(reads)
    cache = 2 * 40 * 10 * 128 * 2 * 2048
    shares = [read + cache * read / sum(reads) for read in reads]
    seconds = shares[0] / (0.808 * 360e9) + shares[1] / (0.577 * 360e9) + 40 * 37e-6
    assert speed.decode_tok_s == pytest.approx(1 / seconds)
    assert speed.grade == "low"


def test_a_mixture_reads_its_active_experts_a_third_more_dearly() -> None:
    found = report(gpu(24), "qwen3-30b-a3b", 2048)
    cache = 2 * 48 * 4 * 128 * 2 * 2048
    seconds = (1.3 * found.plan.devices[0].reads + cache) / (0.808 * 360e9) + 1.5 * 48 * 37e-6
    assert told(found).decode_tok_s == pytest.approx(1 / seconds)


@pytest.mark.parametrize(
    ("model", "billions"),
    [("llama-3.1-8b", 7.50), ("qwen3-0.6b", 0.596), ("qwen3-30b-a3b", 3.04), ("gpt-oss-20b", 3.61)],
)
def test_active_parameters_are_counted_from_the_tensors(model: str, billions: float) -> None:
    """Published: 3.3 and 3.6 billion active for the mixtures, the former with its token table of 0.31."""
    assert (active_parameters(shape(model)) or 0) / 1e9 == pytest.approx(billions, rel=0.02)


def test_a_prompts_speed_is_a_range_where_the_arithmetic_of_the_card_is_known() -> None:
    card = replace(gpu(12), fp16_flops=25e12)
    prompt = told(report(card)).prompt
    assert prompt is not None
    active = active_parameters(shape("llama-3.1-8b")) or 0
    assert prompt.low_tok_s == pytest.approx(0.28 * 25e12 / (2 * active))
    assert prompt.high_tok_s == pytest.approx(1.11 * 25e12 / (2 * active))
    assert describe_prompt(prompt) == "470–1800 tok/s to read a prompt · 25 FP16 TFLOPS of the GPU table"
    assert "prompt speed" in {step.name for step in explain(report(card))}


@pytest.mark.parametrize(
    "device",
    [
        gpu(12),
        replace(gpu(12), fp16_flops=65e12, architecture="Turing", compute_capability="7.5"),
        replace(gpu(12, backend=Backend.VULKAN), fp16_flops=25e12, vendor="nvidia"),
        replace(gpu(4), fp16_flops=25e12),
        replace(gpu(12, backend=Backend.SYCL), fp16_flops=39e12),
    ],
    ids=["arithmetic unknown", "old card", "family without figures", "spill", "words"],
)
def test_nothing_is_said_of_prompts_where_nothing_is_known(device: Device) -> None:
    assert told(report(device, bandwidth=40_000_000_000)).prompt is None


def test_a_small_models_prompts_are_bound_by_other_things_than_arithmetic() -> None:
    assert told(report(replace(gpu(12), fp16_flops=25e12), "qwen3-0.6b")).prompt is None


def test_prompts_of_other_families_say_whose_spread_is_theirs() -> None:
    apple = replace(gpu(24, backend=Backend.METAL), fp16_flops=17.2e12)
    prompt = told(report(apple)).prompt
    assert prompt is not None
    assert prompt.basis.endswith("spread as on CUDA")
    active = active_parameters(shape("llama-3.1-8b")) or 0
    assert prompt.low_tok_s < 0.70 * 17.2e12 / (2 * active) < prompt.high_tok_s
