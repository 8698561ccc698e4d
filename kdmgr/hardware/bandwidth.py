"""The host's memory bandwidth: measured once, by reading, and remembered.

What bounds decoding on a CPU is how fast all cores together can read the weights. One thread per core
searches a block of its own, larger than its share of any cache, for a byte that is not there: libc's
`memchr` is as fast as memory, and ctypes lets the threads run side by side.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kdmgr.files import write_atomically
from kdmgr.fit.machine import Host

FILE_NAME = "memory-bandwidth.json"
MAX_THREADS = 16
_LIMIT_S = 10.0


def measure_host_bandwidth(n_cores: int) -> int | None:
    """Bytes per second that `n_cores` cores read together, in about half a second; None when it cannot be done."""
    import subprocess

    reader = Path(__file__).with_name("memory_reader.py")
    command = [sys.executable, "-I", "-S", str(reader), str(max(1, min(n_cores, MAX_THREADS)))]
    try:
        ran = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
        return int(ran.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def remembered_bandwidth(folder: Path, host: Host) -> int | None:
    """What was measured on this CPU with as many cores; None when nothing was."""
    try:
        stored = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        return int(stored[_key(host)])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def remember_bandwidth(folder: Path, host: Host, bandwidth: int) -> None:
    """Keep `bandwidth` for this CPU."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / FILE_NAME, json.dumps({_key(host): bandwidth}).encode())


def _key(host: Host) -> str:
    return f"{host.cpu}, {host.n_cores} cores"
