"""The host: its CPU and its memory, within the limits of a container.

Sources: proc(5), the kernel's cgroup-v1/v2 documents, sysctl(3) on macOS, GlobalMemoryStatusEx on Windows.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from kdmgr.fit.machine import Host

# A cgroup v1 without a limit says 2^63 rounded down to pages; anything near it is no limit.
_NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class _Memory:
    total: int | None
    available: int | None
    basis: str


def probe_host(root: Path = Path("/"), *, platform: str = sys.platform, bandwidth: int | None = None) -> Host:
    """The host as this process may use it. Whatever cannot be read is None."""
    if platform == "darwin":
        memory, cpu = _macos_memory(), _sysctl("machdep.cpu.brand_string")
    elif platform == "win32":
        memory, cpu = _windows_memory(), os.environ.get("PROCESSOR_IDENTIFIER")
    else:
        memory, cpu = _linux_memory(root), _linux_cpu(root)
    return Host(
        cpu=cpu,
        n_cores=_cores(root),
        total_bytes=memory.total,
        available_bytes=memory.available,
        basis=memory.basis,
        bandwidth=bandwidth,
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    )


def _linux_memory(root: Path) -> _Memory:
    fields = _fields(root / "proc/meminfo", ":")
    total, available = _kib(fields.get("MemTotal")), _kib(fields.get("MemAvailable"))
    limit, used = _cgroup_v2(root) or _cgroup_v1(root) or (None, None)
    if limit is None or (total is not None and limit >= total):
        return _Memory(total, available, "/proc/meminfo")
    left = None if used is None else max(limit - used, 0)
    known = [size for size in (available, left) if size is not None]
    return _Memory(limit, min(known, default=None), "cgroup limit")


def _cgroup_v2(root: Path) -> tuple[int, int | None] | None:
    """Limit and use of this process's own group or the nearest one above it that has a limit."""
    base = root / "sys/fs/cgroup"
    own = next((line[3:] for line in _lines(root / "proc/self/cgroup") if line.startswith("0::")), None)
    if own is None:
        return None
    group = base / own.strip("/")
    for folder in (group, *group.parents):
        limit = _number(folder / "memory.max")
        if limit is not None:
            return limit, _without_cache(folder, "memory.current", "inactive_file")
        if folder == base:
            break
    return None


def _cgroup_v1(root: Path) -> tuple[int, int | None] | None:
    folder = root / "sys/fs/cgroup/memory"
    limit = _number(folder / "memory.limit_in_bytes")
    if limit is None or limit >= _NO_LIMIT:
        return None
    return limit, _without_cache(folder, "memory.usage_in_bytes", "total_inactive_file")


def _without_cache(folder: Path, usage: str, cache: str) -> int | None:
    """Memory in use less the file cache, which the kernel gives back when it is needed."""
    used = _number(folder / usage)
    cached = _fields(folder / "memory.stat", " ").get(cache, "0")
    return None if used is None else max(used - int(cached), 0)


def _linux_cpu(root: Path) -> str | None:
    fields = _fields(root / "proc/cpuinfo", ":")
    return fields.get("model name") or fields.get("Model") or fields.get("Hardware")


def _cores(root: Path) -> int:
    """Cores that the scheduler and the container's quota leave to this process."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = next(iter(_lines(root / "sys/fs/cgroup/cpu.max")), "").split()
    if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit():
        allowed = min(allowed, max(1, int(quota[0]) // int(quota[1])))
    return allowed


def _macos_memory() -> _Memory:
    total = _sysctl("hw.memsize")
    pages = _run(["vm_stat"])
    size, free = 4096, 0
    for line in pages.splitlines():
        if "page size of" in line:
            size = int(line.split("page size of")[1].split()[0])
        elif line.startswith(("Pages free", "Pages inactive", "Pages purgeable", "Pages speculative")):
            free += int(line.rpartition(":")[2].strip(" ."))
    return _Memory(int(total) if total else None, free * size or None, "sysctl and vm_stat")


def _windows_memory() -> _Memory:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "available", "page", "page_free")),
            *((name, ctypes.c_ulonglong) for name in ("virtual", "virtual_free", "extended")),
        )

    status = Status(length=ctypes.sizeof(Status))
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    if not kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
        return _Memory(None, None, "GlobalMemoryStatusEx failed")
    return _Memory(int(status.total), int(status.available), "GlobalMemoryStatusEx")


def _sysctl(name: str) -> str | None:
    return _run(["sysctl", "-n", name]).strip() or None


def _run(command: list[str]) -> str:
    import subprocess

    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=2, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _fields(path: Path, separator: str) -> dict[str, str]:
    """The first value of each `name SEPARATOR value` line."""
    found: dict[str, str] = {}
    for line in _lines(path):
        name, _, value = line.partition(separator)
        found.setdefault(name.strip(), value.strip())
    return found


def _number(path: Path) -> int | None:
    text = next(iter(_lines(path)), "").strip()
    return int(text) if text.isdigit() else None


def _kib(text: str | None) -> int | None:
    digits = (text or "").split()
    return int(digits[0]) * 1024 if digits and digits[0].isdigit() else None
