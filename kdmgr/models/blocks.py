"""A file as a run of blocks, read ahead while the last one is worked on."""

from __future__ import annotations

from collections.abc import Generator
from io import FileIO
from pathlib import Path

from kdmgr.models.source_file import explain
from kdmgr.units import MIB

BLOCK = 4 * MIB
AHEAD = 2 * MIB
"""Read-ahead goes in smaller steps: a block that was just read is still in the processor's cache when it is hashed."""


def read_blocks(file: FileIO, total: int) -> Generator[memoryview, None, None]:
    """At most `total` bytes of `file`: one that keeps growing must not keep us reading.

    A block is valid until the next one is asked for.
    """
    view = memoryview(bytearray(BLOCK))
    while total > 0:
        count = _fill(file, view[: min(BLOCK, total)])
        if not count:
            return
        total -= count
        yield view[:count]


def read_ahead(file: FileIO, total: int) -> Generator[memoryview, None, None]:
    """The same, but a second thread reads the next block while the caller works on the last.

    Reading and hashing both let go of the interpreter, so that the slower of the two sets the pace, not their sum.
    """
    from concurrent.futures import ThreadPoolExecutor

    views = [memoryview(bytearray(AHEAD)) for _ in range(2)]
    with ThreadPoolExecutor(1) as reader:
        pending = reader.submit(_fill, file, views[0][: min(AHEAD, total)])
        while total > 0 and (count := pending.result()):
            total -= count
            view = views[0][:count]
            views.reverse()
            # Also at the end, where it reads nothing: the loop stays one.
            pending = reader.submit(_fill, file, views[0][: min(AHEAD, total)])
            yield view


def _fill(file: FileIO, view: memoryview) -> int:
    try:
        return file.readinto(view) or 0 if view else 0
    except OSError as error:
        raise explain(Path(str(file.name)), error) from error
