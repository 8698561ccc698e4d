"""What the worker is given: threads, environment; and how its death is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.engines.llamacpp.death import describe_death
from kdmgr.engines.llamacpp.environment import worker_environment
from kdmgr.engines.llamacpp.status import read_status
from kdmgr.engines.llamacpp.threads import choose_threads, count_cores


@pytest.mark.parametrize(
    ("n_cores", "num_thread", "threads"),
    [
        (8, None, (7, 8)),
        (2, None, (1, 2)),
        (1, None, (1, 1)),
        (None, None, (None, None)),
        (8, 3, (3, 3)),
        (None, 3, (3, 3)),
        (8, 0, (7, 8)),
    ],
)
def test_decoding_leaves_a_core_to_the_others(
    n_cores: int | None, num_thread: int | None, threads: tuple[int | None, int | None]
) -> None:
    assert choose_threads(n_cores, num_thread) == threads


def machine(root: Path, siblings: dict[int, str], files: dict[str, str] | None = None) -> Path:
    for cpu, text in siblings.items():
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{text}\n")
    for name, text in (files or {}).items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


HYPERTHREADED = {0: "0,4", 1: "1,5", 2: "2,6", 3: "3,7", 4: "0,4", 5: "1,5", 6: "2,6", 7: "3,7"}


def test_threads_of_one_core_count_once(tmp_path: Path) -> None:
    root = machine(tmp_path, HYPERTHREADED)
    assert count_cores(range(8), root) == 4
    assert count_cores({0, 4, 5}, root) == 2


def test_cpus_of_unknown_topology_count_each(tmp_path: Path) -> None:
    assert count_cores({0, 1, 2}, tmp_path) == 3


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000"}, 4),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "20000 100000"}, 1),
        ({"cpu.max": "garbage"}, 4),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 4),
    ],
)
def test_a_control_group_limits_the_cores(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    assert count_cores(range(8), machine(tmp_path, HYPERTHREADED, files)) == cores


def test_where_nothing_tells_the_cores_llama_cpp_chooses() -> None:
    assert count_cores(None) is None


def test_secrets_do_not_pass_to_the_worker() -> None:
    env = {
        "PATH": "/bin", "LC_ALL": "C", "CUDA_VISIBLE_DEVICES": "1", "PYTHONPATH": "/x", "Path": "C:/bin",
        "HF_TOKEN": "secret", "OLLAMA_API_KEY": "secret", "AWS_SECRET_ACCESS_KEY": "secret", "HTTPS_PROXY": "u:p@h",
    }  # fmt: skip
    assert worker_environment(env) == {
        "PATH": "/bin", "LC_ALL": "C", "CUDA_VISIBLE_DEVICES": "1", "PYTHONPATH": "/x", "Path": "C:/bin",
    }  # fmt: skip


def test_a_kill_is_told_with_a_hint_at_memory() -> None:
    error = describe_death(-9, ["0.00.100.000 I llama_kv_cache: size =   45.00 MiB"])
    assert error.message == "the llama.cpp worker died (SIGKILL)"
    assert error.hint is not None
    assert "memory" in error.hint


def test_a_failed_assert_is_quoted() -> None:
    log = ["ggml.c:123: GGML_ASSERT(n > 0) failed", "0.00.100.000 E slot update: later", "#1 0x00 in ggml_abort"]
    assert describe_death(-6, log).message == (
        "the llama.cpp worker died (SIGABRT): ggml.c:123: GGML_ASSERT(n > 0) failed"
    )


def test_the_last_error_is_quoted() -> None:
    log = ["0.00.100.000 E srv    update: first", "0.00.200.000 E srv    update: out of space", "0.00.300.000 I srv x"]
    assert describe_death(3, log).message == "the llama.cpp worker died (exit code 3): out of space"


@pytest.mark.parametrize(
    ("returncode", "name"), [(None, "unknown how"), (-250, "signal 250"), (0xC0000005, "exit code 0xc0000005")]
)
def test_odd_ends_are_told_too(returncode: int | None, name: str) -> None:
    assert f"({name})" in describe_death(returncode, []).message


def test_a_missing_package_makes_the_engine_unusable() -> None:
    status = read_status("no_such_package_at_all")
    assert (status.usable, status.version) == (False, None)
    assert status.hint == "pip install 'kdmgr[llamacpp]'"
