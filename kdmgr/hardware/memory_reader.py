"""Prints how many bytes a second the given number of threads read together. Run by itself: it imports nothing of ours.

In a process of its own no other thread holds the interpreter while a piece is timed; a screen that is drawn beside
would halve the figure. The rate of the usual piece counts: what else runs interrupts a few of them for long.
"""

import ctypes
import mmap
import sys
from statistics import median
from threading import Barrier, BrokenBarrierError, Thread
from time import perf_counter
from typing import Any

DURATION_S = 0.25
BLOCK = 128 << 20
"""Of each thread: larger than its share of any cache."""
PIECE = 4 << 20
"""Read in well under the time that a system gives a thread before it looks for another."""


def main() -> None:
    """Print the sum of all threads; nothing where one of them could not read."""
    n_threads = int(sys.argv[1])
    memchr = _load_memchr()
    rates: list[float] = []
    barrier = Barrier(n_threads, timeout=5)
    threads = [Thread(target=_read, args=(memchr, barrier, rates)) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(rates) == n_threads:
        sys.stdout.write(f"{sum(rates):.0f}")


def _load_memchr() -> Any:
    library = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
    memchr = library.memchr
    memchr.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    memchr.restype = ctypes.c_void_p
    return memchr


def _read(memchr: Any, barrier: Barrier, rates: list[float]) -> None:
    """Read a block over and over while the others do, and add the usual rate."""
    try:
        with mmap.mmap(-1, BLOCK) as block:
            _fill(block)
            address = ctypes.addressof(ctypes.c_char.from_buffer(block))
            barrier.wait()
            rates.append(_usual_rate(memchr, address))
    except (OSError, BufferError, BrokenBarrierError):
        barrier.abort()


def _fill(block: mmap.mmap) -> None:
    """Write every page: pages never written are all one page of zeros, and that one is in the cache."""
    if hasattr(mmap, "MADV_HUGEPAGE"):
        block.madvise(mmap.MADV_HUGEPAGE)
    page = b"\x01" * (1 << 20)
    for _ in range(BLOCK >> 20):
        block.write(page)


def _usual_rate(memchr: Any, address: int) -> float:
    seconds = []
    started = perf_counter()
    until = started + DURATION_S
    while started < until:
        for offset in range(0, BLOCK, PIECE):
            memchr(address + offset, 0, PIECE)
            ended = perf_counter()
            seconds.append(ended - started)
            started = ended
    return PIECE / median(seconds)


if __name__ == "__main__":
    main()
