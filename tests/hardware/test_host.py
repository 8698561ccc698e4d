"""The host, on trees that look like /proc and /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.fit.machine import Host
from kdmgr.hardware.bandwidth import FILE_NAME, measure_host_bandwidth, remember_bandwidth, remembered_bandwidth
from kdmgr.hardware.cpu import probe_host

GIB = 1 << 30


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = {"proc/meminfo": f"MemTotal: {32 << 20} kB\nMemFree: 1 kB\nMemAvailable: {20 << 20} kB\n"}


def test_memory_and_cpu_come_from_proc(tmp_path: Path) -> None:
    root = write(tmp_path, {**MEMINFO, "proc/cpuinfo": "processor: 0\nmodel name : Fast CPU\n"})
    host = probe_host(root, platform="linux")
    assert (host.cpu, host.total_bytes, host.available_bytes) == ("Fast CPU", 32 * GIB, 20 * GIB)
    assert host.basis == "/proc/meminfo"


def test_a_container_limit_counts_and_its_file_cache_does_not(tmp_path: Path) -> None:
    files = {
        **MEMINFO,
        "proc/self/cgroup": "0::/app/worker\n",
        "sys/fs/cgroup/app/memory.max": str(8 * GIB),
        "sys/fs/cgroup/app/memory.current": str(5 * GIB),
        "sys/fs/cgroup/app/memory.stat": f"anon 1\ninactive_file {2 * GIB}\n",
        "sys/fs/cgroup/app/worker/memory.max": "max",
    }
    host = probe_host(write(tmp_path, files), platform="linux")
    assert (host.total_bytes, host.available_bytes, host.basis) == (8 * GIB, 5 * GIB, "cgroup limit")


def test_the_older_cgroups_are_read_too(tmp_path: Path) -> None:
    files = {
        **MEMINFO,
        "sys/fs/cgroup/memory/memory.limit_in_bytes": str(4 * GIB),
        "sys/fs/cgroup/memory/memory.usage_in_bytes": str(GIB),
    }
    host = probe_host(write(tmp_path, files), platform="linux")
    assert (host.total_bytes, host.available_bytes) == (4 * GIB, 3 * GIB)


@pytest.mark.parametrize("limit", ["9223372036854771712", str(64 * GIB)])
def test_a_limit_that_is_none_is_ignored(tmp_path: Path, limit: str) -> None:
    files = {**MEMINFO, "sys/fs/cgroup/memory/memory.limit_in_bytes": limit}
    assert probe_host(write(tmp_path, files), platform="linux").total_bytes == 32 * GIB


def test_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    host = probe_host(tmp_path, platform="linux")
    assert (host.cpu, host.total_bytes, host.available_bytes, host.bandwidth) == (None, None, None, None)


def test_a_cpu_quota_limits_the_cores(tmp_path: Path) -> None:
    assert probe_host(write(tmp_path, {"sys/fs/cgroup/cpu.max": "100000 100000"}), platform="linux").n_cores == 1


def test_bandwidth_is_measured_and_remembered_for_this_cpu_only(tmp_path: Path) -> None:
    measured = measure_host_bandwidth(1)
    assert measured is not None
    assert 1e9 < measured < 2e12
    host = Host("Some CPU", 8, None, None, "test")
    assert remembered_bandwidth(tmp_path, host) is None
    remember_bandwidth(tmp_path, host, measured)
    assert remembered_bandwidth(tmp_path, host) == measured
    assert remembered_bandwidth(tmp_path, Host("Other CPU", 8, None, None, "test")) is None
    (tmp_path / FILE_NAME).write_text("{broken")
    assert remembered_bandwidth(tmp_path, host) is None
