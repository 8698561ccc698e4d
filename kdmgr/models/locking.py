"""One writer at a time, also across processes; who has to wait learns for whom."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from kdmgr.errors import StorageFailed
from kdmgr.models.disk import storage_failed
from kdmgr.units import printable

LOCK, NOTICE = ".lock", ".lock-holder"
_POLL_S = 0.2
_MAX_NOTICE = 4096


class StoreLock:
    """The lock of the store at `root`, which must exist."""

    def __init__(self, root: Path, wait_s: float) -> None:
        self._root = root
        self._wait_s = wait_s

    @contextmanager
    def hold(self, work: str, waiting: Callable[[str], None], wait_s: float | None = None) -> Iterator[None]:
        """Hold the lock while doing `work` ("importing x").

        `waiting` is told again and again who holds it; what it raises ends the waiting. `StorageFailed` after
        `wait_s` seconds (by default the lock's own), or when the lock file cannot be made.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self._root / LOCK)
        deadline = monotonic() + (self._wait_s if wait_s is None else wait_s)
        while True:
            try:
                lock.acquire(timeout=max(0.0, min(_POLL_S, deadline - monotonic())))
                break
            except Timeout as error:
                if monotonic() >= deadline:
                    raise StorageFailed(self._sentence(), hint="wait until it is done, or stop it") from error
            except OSError as error:
                raise storage_failed(self._root, error) from error
            waiting(self._sentence())
        try:
            self._leave_notice(work)
            yield
        finally:
            with suppress(OSError):
                (self._root / NOTICE).unlink()
            lock.release()

    def _leave_notice(self, work: str) -> None:
        """Only for those who wait: a full disk must not keep anybody from removing models."""
        with suppress(OSError):
            (self._root / NOTICE).write_text(json.dumps({"pid": os.getpid(), "work": work}), encoding="utf-8")

    def _sentence(self) -> str:
        """Who holds the lock, as far as is known."""
        try:
            with (self._root / NOTICE).open("rb") as file:
                notice = json.loads(file.read(_MAX_NOTICE))
            pid, work = int(notice["pid"]), printable(str(notice["work"])[:200]).replace("\n", " ")
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return f"another kdmgr is writing to {self._root}"
        return f"another kdmgr (process {pid}) is {work} in {self._root}"
