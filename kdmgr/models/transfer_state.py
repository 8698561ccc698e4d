"""What the threads of one transfer share: which bytes are there, which are being fetched, who has failed."""

from __future__ import annotations

import os
import threading
from collections import deque
from io import FileIO

from kdmgr.models.spans import Span, Spans
from kdmgr.units import MIB

_STEP = 2 * MIB


class Stopped(Exception):
    """The transfer is over for this thread; nobody is told."""


class TransferState:
    """One blob while it comes. Every method may be called by any thread."""

    def __init__(self, file: FileIO, spans: Spans, piece: int) -> None:
        self.changed = threading.Condition()
        self.size = spans.size
        self._file = file
        self._spans = spans
        self._todo: deque[Span] = deque(spans.missing(piece))
        self._stopped = False
        self._announced = 0
        self.failure: BaseException | None = None
        self.trouble: str | None = None
        """Why nothing comes at the moment."""
        self.received = 0
        """Bytes that came in this run."""

    @property
    def completed(self) -> int:
        """Bytes that are there."""
        return self._spans.total

    @property
    def prefix(self) -> int:
        """Bytes that are there from the start on, without a gap."""
        return self._spans.prefix

    @property
    def complete(self) -> bool:
        """Whether all bytes are there."""
        return self._spans.complete

    @property
    def stopped(self) -> bool:
        """Whether everybody has to end."""
        return self._stopped

    def there(self) -> list[Span]:
        """What is there."""
        with self.changed:
            return self._spans.there()

    def take(self) -> Span | None:
        """A piece to fetch; None when there is no more."""
        with self.changed:
            return self._todo.popleft() if self._todo and not self._stopped else None

    def give_back(self, start: int, end: int) -> None:
        """What did not come of a piece is fetched by whoever is next."""
        if start < end:
            with self.changed:
                self._todo.appendleft((start, end))

    def take_rest(self) -> Span:
        """Everything from the first gap on: for a server that sends the file only as a whole."""
        with self.changed:
            self._todo.clear()
            return self._spans.prefix, self.size

    def write(self, start: int, data: bytes) -> None:
        """Put what came into its place. Raises `OSError` of the disk, `Stopped` once the file is closed."""
        with self.changed:
            if self._stopped:
                raise Stopped
            _write_at(self._file, start, data)
            self._spans.add(start, start + len(data))
            self.received += len(data)
            self.trouble = None
            # Waking everybody for each 64 KiB would cost more than the bytes do.
            if self._spans.prefix - self._announced >= _STEP or self._spans.complete:
                self._announced = self._spans.prefix
                self.changed.notify_all()

    def wait_for_prefix(self, beyond: int) -> int:
        """The prefix, as soon as it is longer than `beyond`."""
        with self.changed:
            while self._spans.prefix <= beyond and not self._stopped:
                self.changed.wait()
            if self._stopped:
                raise Stopped
            return self._spans.prefix

    def fail(self, error: BaseException) -> None:
        """The transfer cannot go on."""
        with self.changed:
            self.failure = self.failure or error
            self.changed.notify_all()

    def stop(self) -> None:
        """Nothing is written from now on."""
        with self.changed:
            self._stopped = True
            self.changed.notify_all()

    def pause(self, seconds: float, trouble: str) -> None:
        """Wait before another try; `Stopped` when the transfer ends meanwhile."""
        with self.changed:
            self.trouble = trouble
            self.changed.wait_for(lambda: self._stopped, seconds)
            if self._stopped:
                raise Stopped


def _write_at(file: FileIO, offset: int, data: bytes) -> None:
    """All of `data`; a raw file may take less than it was given. Windows has no write at a place."""
    view = memoryview(data)
    while view:
        if hasattr(os, "pwrite"):
            count = os.pwrite(file.fileno(), view, offset)
        else:
            file.seek(offset)
            count = file.write(view) or 0
        offset, view = offset + count, view[count:]
