"""The host's memory bandwidth: measured once, by reading, and remembered.

What bounds decoding on a CPU is how fast all cores together can read the weights. One thread per core
searches a block of its own, larger than its share of any cache, for a byte that is not there: libc's
`memchr` is as fast as memory, and ctypes lets the threads run side by side. The rate of the usual piece
counts: whatever else runs at the moment interrupts a few of them for long, and would halve an average.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Thread
from time import perf_counter
from typing import TYPE_CHECKING, Any

from kdmgr.files import write_atomically
from kdmgr.fit.machine import Host
from kdmgr.units import MIB

if TYPE_CHECKING:
    import mmap

FILE_NAME = "host-bandwidth.json"
MAX_THREADS = 16
DURATION_S = 0.25
_BLOCK = 128 * MIB
_PIECE = 4 * MIB
"""Read in well under the time that a system gives a thread before it looks for another."""


def measure_host_bandwidth(n_cores: int) -> int | None:
    """Bytes per second that `n_cores` cores read together, in about half a second; None when it cannot be done."""
    try:
        memchr = _load_memchr()
    except (OSError, AttributeError):
        return None
    n_threads = max(1, min(n_cores, MAX_THREADS))
    rates: list[float] = []
    barrier = Barrier(n_threads, timeout=10)
    threads = [Thread(target=_read, args=(memchr, barrier, rates), daemon=True) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return int(sum(rates)) if len(rates) == n_threads else None


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


def _load_memchr() -> Any:
    import ctypes

    library = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
    memchr = library.memchr
    memchr.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    memchr.restype = ctypes.c_void_p
    return memchr


def _read(memchr: Any, barrier: Barrier, rates: list[float]) -> None:
    """Read a block over and over while the others do, and add the usual rate."""
    import ctypes
    import mmap

    try:
        with mmap.mmap(-1, _BLOCK) as block:
            _fill(block)
            address = ctypes.addressof(ctypes.c_char.from_buffer(block))
            barrier.wait()
            rates.append(_usual_rate(memchr, address))
    except (OSError, BufferError, BrokenBarrierError):
        barrier.abort()


def _fill(block: mmap.mmap) -> None:
    """Write every page: pages never written are all one page of zeros, and that one is in the cache."""
    import mmap

    if hasattr(mmap, "MADV_HUGEPAGE"):
        block.madvise(mmap.MADV_HUGEPAGE)
    page = b"\x01" * MIB
    for _ in range(_BLOCK // MIB):
        block.write(page)


def _usual_rate(memchr: Any, address: int) -> float:
    from statistics import median

    seconds: list[float] = []
    started = perf_counter()
    until = started + DURATION_S
    while started < until:
        for offset in range(0, _BLOCK, _PIECE):
            memchr(address + offset, 0, _PIECE)
            ended = perf_counter()
            seconds.append(ended - started)
            started = ended
    return _PIECE / median(seconds)


def _key(host: Host) -> str:
    return f"{host.cpu}, {host.n_cores} cores"
