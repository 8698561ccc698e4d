"""Where the layers go, and what the verdict says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdmgr.fit.assess import assess, largest_context
from kdmgr.fit.machine import Backend, Machine
from kdmgr.fit.options import MARGIN, EngineBuild, RunOptions
from kdmgr.fit.plan import FitReport, Verdict
from kdmgr.fit.solve import try_options
from tests.support.machines import GIB, gpu, machine
from tests.support.shapes import shape

LLAMA = "llama-3.1-8b"


def report(on: Machine, n_ctx: int | None = 4096, name: str = LLAMA, **options: object) -> FitReport:
    return assess(shape(name), on, RunOptions(n_ctx=n_ctx, **options), ref=name, source="file")  # type: ignore[arg-type]


def test_with_room_and_margin_everything_goes_to_the_gpu() -> None:
    found = report(machine(gpu(12)))
    assert found.verdict is Verdict.FITS
    assert found.plan.n_gpu_layers == found.plan.n_layers == 33
    on_gpu = found.plan.devices[0].components
    assert found.headroom_bytes == 12 * GIB - on_gpu.known
    weights = found.shape.weights
    assert on_gpu.weights == weights.total - weights.input
    assert found.plan.host.components.weights == weights.input


def test_a_tied_head_is_copied_to_the_gpu() -> None:
    found = report(machine(gpu(12)), name="qwen3-0.6b")
    weights = found.shape.weights
    assert weights.tied
    assert found.plan.devices[0].components.weights == weights.total
    assert found.plan.host.components.weights == weights.input


def test_less_than_the_margin_is_tight() -> None:
    need = report(machine(gpu(12))).plan.devices[0].components.known
    tight = report(machine(gpu((need + MARGIN // 2) / GIB)))
    assert tight.verdict is Verdict.TIGHT
    assert tight.headroom_bytes is not None
    assert 0 < tight.headroom_bytes < MARGIN


def test_what_the_gpu_cannot_hold_goes_to_the_host_output_layer_last() -> None:
    found = report(machine(gpu(4)))
    assert found.verdict is Verdict.PARTIAL
    assert 0 < found.plan.n_gpu_layers < 33
    device, host = found.plan.devices[0], found.plan.host
    assert device.components.known <= 4 * GIB - MARGIN
    weights = found.shape.weights
    kept = 32 - (found.plan.n_gpu_layers - 1)
    assert host.components.weights == weights.input + sum(weights.blocks[:kept])
    assert device.components.weights + host.components.weights == weights.total
    assert device.components.kv_cache is not None
    assert host.components.kv_cache is not None
    assert device.components.kv_cache + host.components.kv_cache == 512 << 20


def test_without_a_gpu_it_runs_on_the_cpu_while_the_host_has_room() -> None:
    assert report(machine()).verdict is Verdict.CPU
    too_big = report(machine(available_gib=4))
    assert too_big.verdict is Verdict.TOO_BIG
    assert too_big.headroom_bytes is not None
    assert too_big.headroom_bytes < 0


def test_not_even_with_host_memory_is_too_big() -> None:
    assert report(machine(gpu(4), available_gib=1)).verdict is Verdict.TOO_BIG


def test_layers_set_by_hand_are_obeyed_even_where_they_do_not_fit() -> None:
    assert report(machine(gpu(12)), n_gpu_layers=10).plan.n_gpu_layers == 10
    assert report(machine(gpu(12)), n_gpu_layers=0).verdict is Verdict.CPU
    forced = report(machine(gpu(4)), n_gpu_layers=99)
    assert (forced.plan.n_gpu_layers, forced.verdict) == (33, Verdict.TOO_BIG)


def test_free_memory_decides_and_not_total() -> None:
    assert report(machine(gpu(2, total_gib=24))).verdict is Verdict.PARTIAL


def test_an_unknown_architecture_gives_its_weights_and_says_what_is_missing() -> None:
    strange = replace(shape(LLAMA), architecture="strange", attention=None, unknown=("KV cache",))
    found = assess(strange, machine(gpu(12)), ref="x", source="file")
    assert found.verdict is Verdict.UNKNOWN
    assert found.plan.components.weights > 4 * GIB
    assert found.plan.components.kv_cache is None
    assert found.plan.components.total is None
    assert found.max_n_ctx is None
    assert found.speed is None
    assert "KV cache" in found.unknown
    hopeless = assess(strange, machine(gpu(2), available_gib=1), ref="x", source="file")
    assert hopeless.verdict is Verdict.TOO_BIG


@pytest.mark.parametrize("name", [LLAMA, "gemma-3-12b", "qwen3-0.6b"])
@pytest.mark.parametrize("free_gib", [3, 6, 8, 12])
def test_the_largest_context_is_the_last_that_keeps_the_verdict(name: str, free_gib: float) -> None:
    on = machine(gpu(free_gib))
    found = report(on, name=name)
    assert found.max_n_ctx is not None
    largest = RunOptions(n_ctx=found.max_n_ctx)
    assert try_options(shape(name), on, largest).verdict is found.verdict
    if found.max_n_ctx < (found.shape.n_ctx_train or 0):
        beyond = try_options(shape(name), on, RunOptions(n_ctx=found.max_n_ctx + 256))
        assert beyond.verdict is not found.verdict


def test_alternatives_are_true() -> None:
    on = machine(gpu(8.4))
    found = report(on, n_ctx=32768)
    assert found.verdict is not Verdict.FITS
    assert any("q8_0" in sentence for sentence in found.alternatives)
    with_q8 = RunOptions(n_ctx=32768, type_k="q8_0", type_v="q8_0")
    assert try_options(shape(LLAMA), on, with_q8).verdict is Verdict.FITS
    shorter = largest_context(shape(LLAMA), on, RunOptions(), Verdict.FITS)
    assert shorter is not None
    assert any(f"{shorter // 1024}k" in sentence or str(shorter) in sentence for sentence in found.alternatives)


@pytest.mark.parametrize(("total_gib", "n_ctx"), [(8, 4096), (24, 32768), (48, 131072)])
def test_the_default_context_follows_the_total_memory(total_gib: float, n_ctx: int) -> None:
    """Llama 3.1 was trained for 131072 tokens, so the largest tier is clamped."""
    assert report(machine(gpu(total_gib)), n_ctx=None).options.n_ctx == n_ctx


def test_a_context_beyond_the_models_own_is_clamped_and_said_so() -> None:
    options = report(machine(gpu(12)), n_ctx=1 << 20).options
    assert options.n_ctx == 131072
    assert "clamped" in options.n_ctx_basis


@pytest.mark.parametrize(("n_ctx", "n_ubatch"), [(4096, 512), (8192, 1024), (65536, 2048)])
def test_ollamas_batches_follow_the_context(n_ctx: int, n_ubatch: int) -> None:
    found = report(machine(gpu(24)), n_ctx=n_ctx, engine_build=EngineBuild.OLLAMA_030)
    assert found.options.n_ubatch == n_ubatch


def test_older_builds_pay_for_the_logits_of_a_whole_batch() -> None:
    """512 × (128256 + 4096) × 4 bytes, as Ollama up to 0.24 logs it for Llama 3.1 8B: 258.5 MiB."""
    found = report(machine(gpu(12)), engine_build=EngineBuild.OLLAMA_024)
    assert found.plan.devices[0].components.compute == pytest.approx(258.5 * (1 << 20), rel=0.001)


def test_the_compute_buffer_on_cuda_is_the_one_seen_there() -> None:
    """A Qwen3-4B on CUDA, 8192 cells, flash attention: 85.01 MiB."""
    found = assess(shape("qwen3-4b"), machine(gpu(24)), RunOptions(n_ctx=8192), ref="x", source="file")
    compute = found.plan.devices[0].components.compute
    assert compute is not None
    assert compute / (1 << 20) == pytest.approx(85.01, abs=0.02)


def test_latent_attention_on_cuda_comes_with_a_warning() -> None:
    found = [
        assess(shape(name), machine(device), RunOptions(n_ctx=4096), ref="x", source="file").unknown
        for name, device in (
            ("deepseek-v2-lite", gpu(24)),
            ("llama-3.1-8b", gpu(24)),
            ("deepseek-v2-lite", gpu(24, backend=Backend.METAL)),
        )
    ]
    assert [any("latent attention" in sentence for sentence in unknown) for unknown in found] == [True, False, False]


def test_overhead_nobody_has_measured_is_unknown_and_not_nothing() -> None:
    found = report(machine(gpu(12, backend=Backend.ROCM)))
    assert found.plan.devices[0].components.overhead is None
    assert found.plan.devices[0].components.total is None
    assert any("overhead" in sentence for sentence in found.unknown)
    assert found.verdict is Verdict.FITS
