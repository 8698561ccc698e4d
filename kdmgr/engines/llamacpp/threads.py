"""How many threads to compute with.

Measured on two cores with llama.cpp of October 2026: while another program keeps one of them busy, two threads
decode at 20–60 tok/s where one keeps 150 (they wait for each other at every layer), and on idle cores the second
thread adds a tenth. So decoding, which waits for memory anyway, leaves one core to the rest of the machine, and the
prompt, which gains from each core, gets all of them.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from math import ceil
from pathlib import Path


def allowed_cpus() -> Collection[int] | None:
    """The logical CPUs that this process may run on; None where the system does not say (macOS, Windows)."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


def count_cores(allowed: Collection[int] | None, root: Path = Path("/")) -> int | None:
    """Physical cores among the `allowed` CPUs, as far as the control group grants them.

    None where only llama.cpp itself can tell.
    """
    if allowed is None:
        return None
    cores = len({_siblings(root, cpu) for cpu in allowed})
    quota = _read_quota(root)
    return cores if quota is None else max(1, min(cores, ceil(quota)))


def choose_threads(n_cores: int | None, num_thread: int | None) -> tuple[int | None, int | None]:
    """Threads for decoding and for the prompt; None leaves them to llama.cpp. `num_thread` sets both."""
    if num_thread is not None and num_thread > 0:
        return num_thread, num_thread
    return (None, None) if n_cores is None else (max(1, n_cores - 1), n_cores)


def _siblings(root: Path, cpu: int) -> str:
    """The logical CPUs of one core, as Linux lists them; the CPU alone where it does not say."""
    text = _read(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    return text or str(cpu)


def _read_quota(root: Path) -> float | None:
    """CPUs that the control group (version 2, else 1) grants; None without a limit."""
    quota, _, period = _read(root / "sys/fs/cgroup/cpu.max").partition(" ")
    if not quota:
        quota = _read(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us")
        period = _read(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
