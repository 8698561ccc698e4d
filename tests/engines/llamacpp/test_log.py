from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.engines.llamacpp.log import LoadedBuffers, LoadLog, LoadReport, is_host, strip_speaker

LOGS = Path(__file__).with_name("logs")
MIB = 1 << 20


def read(name: str) -> LoadReport:
    log = LoadLog()
    for line in (LOGS / f"{name}.log").read_text(encoding="utf-8", errors="replace").split("\n"):
        log.feed(line)
    assert log.settled
    return log.report()


def mib(size: float) -> int:
    return round(size * MIB)


def test_reads_every_buffer_of_a_plain_load() -> None:
    report = read("smollm2-2048-f16")
    assert report.buffers == LoadedBuffers(
        weights={"CPU_Mapped": mib(92.10)},
        kv_cache={"CPU": mib(45.00)},
        compute={"CPU": mib(16.64)},
        output={"CPU": mib(0.19)},
    )
    assert report.buffers.total == mib(92.10) + mib(45.00) + mib(16.64) + mib(0.19)
    assert report.buffers.on_devices == 0
    assert (report.n_ctx, report.n_ctx_train, report.has_chat_template, report.error) == (2048, 8192, True, None)


def test_the_context_is_the_one_llama_cpp_settled_on() -> None:
    report = read("smollm2-16384-q8_0")
    assert (report.n_ctx, report.n_ctx_train) == (8192, 8192)
    assert report.buffers.kv_cache == {"CPU": mib(191.25)}


def test_a_dry_run_before_the_load_is_not_counted() -> None:
    report = read("gemma3-4096-dry-run")
    assert report.buffers.weights == {"CPU_Mapped": mib(235.16), "CPU_REPACK": mib(12.66)}
    assert report.buffers.compute == {"CPU": mib(23.28)}


def test_caches_of_several_kinds_are_added_up() -> None:
    report = read("gemma3-4096-dry-run")
    assert report.buffers.kv_cache == {"CPU": mib(12.00) + mib(15.00)}
    assert report.has_chat_template is False


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("cut", "tensor 'blk.2.ffn_up.weight' data is not within the file bounds, model is corrupted or incomplete"),
        ("random", "invalid magic characters: '???%', expected 'GGUF'"),
        ("no-memory", "insufficient memory (attempted to allocate 21976.88 MB)"),
    ],
)
def test_the_first_error_names_the_cause(name: str, error: str) -> None:
    report = read(name)
    assert report.error == error
    assert report.n_ctx is None


def test_buffers_on_devices_are_told_from_host_memory() -> None:
    log = LoadLog()
    for line in (
        "0.00.100.000 I load_tensors:        CUDA0 model buffer size =  4000.50 MiB",
        "0.00.100.000 I load_tensors:   CPU_Mapped model buffer size =   300.00 MiB",
        "0.00.100.000 I llama_kv_cache:      CUDA0 KV buffer size =   512.00 MiB",
        "0.00.100.000 I llama_memory_recurrent:      CUDA0 RS buffer size =    19.25 MiB",
        "0.00.100.000 I sched_reserve:      CUDA0 compute buffer size =   100.00 MiB",
        "0.00.100.000 I sched_reserve:  CUDA_Host compute buffer size =    20.00 MiB",
        "0.00.100.000 I sched_reserve:      CUDA0 compute buffer size =   120.00 MiB",
    ):
        log.feed(line)
    buffers = log.report().buffers
    assert buffers.recurrent == {"CUDA0": mib(19.25)}
    assert buffers.compute == {"CUDA0": mib(120), "CUDA_Host": mib(20)}
    assert buffers.on_devices == mib(4000.5) + mib(512) + mib(19.25) + mib(120)
    assert not log.settled


def test_which_names_are_host_memory() -> None:
    assert [name for name in ("CPU", "CPU_REPACK", "CUDA_Host", "BLAS", "CUDA0", "MTL0_Mapped") if is_host(name)] == [
        "CPU",
        "CPU_REPACK",
        "CUDA_Host",
        "BLAS",
    ]


def test_an_error_of_the_template_says_so() -> None:
    assert strip_speaker("common_chat_templates_init: error: Unexpected token") == "chat template: Unexpected token"
    assert strip_speaker("srv          init: init: chat template parsing error: x") == "chat template parsing error: x"
