"""The threads of one transfer: some that fetch, one that hashes behind them, one that keeps the record."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path

from kdmgr.errors import ServerUnreachable
from kdmgr.models.backoff import Backoff
from kdmgr.models.partials import Partial
from kdmgr.models.range_request import RangeRequests
from kdmgr.models.refusals import Busy
from kdmgr.models.transfer_state import Stopped, TransferState
from kdmgr.models.web import Broken
from kdmgr.units import MIB, format_duration

HASH_BLOCK = 4 * MIB
# A connection that brought less than this counts as one that brought nothing.
ENOUGH = 64 << 10
BREATH_S = 0.05
# For a record, and for the folder's entry of it.
ROOM = 256 << 10


class NoRanges(Exception):
    """The server sends the file only as a whole."""


def start(state: TransferState, work: Callable[[], None]) -> threading.Thread:
    """Run `work` beside everything else; its failure becomes the transfer's. It does not keep the process alive."""

    def guarded() -> None:
        try:
            work()
        except Stopped:
            return
        except BaseException as error:
            state.fail(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    return thread


class Fetcher:
    """One connection: takes piece after piece until there is none, and tries again as `backoff` says."""

    def __init__(self, state: TransferState, requests: RangeRequests, backoff: Backoff) -> None:
        self._state = state
        self._requests = requests
        self._backoff = backoff
        self._failed = 0

    def fetch_pieces(self) -> None:
        """Fetch by ranges. Raises `NoRanges` where the server knows none."""
        while (piece := self._state.take()) is not None:
            at = self._tried(lambda piece=piece: self._fetch_piece(*piece), piece[0])  # type: ignore[misc]
            self._state.give_back(at, piece[1])

    def fetch_whole(self) -> None:
        """Fetch the file from its start as often as it takes, passing over what is there."""
        while True:
            start, end = self._state.take_rest()
            if start >= end:
                return
            self._tried(self._fetch_stream, start)

    def _tried(self, fetch: Callable[[], None], start: int) -> int:
        """Where the next byte is missing after one try. Waits after a failed one; raises what waiting cannot mend."""
        self._at = start
        try:
            fetch()
            self._failed = 0
        except ServerUnreachable as error:
            self._requests.start_over()
            if self._at - start >= ENOUGH:
                self._failed = 0
                self._state.pause(BREATH_S, error.message)
            else:
                self._failed += 1
                self._wait(error)
        return self._at

    def _wait(self, error: ServerUnreachable) -> None:
        asked_s = error.retry_after_s if isinstance(error, Broken | Busy) else None
        seconds = self._backoff.pause(self._failed, asked_s)
        if seconds is None:
            raise error
        self._state.pause(seconds, f"{error.message}; trying again after {format_duration(seconds)}")

    def _fetch_piece(self, start: int, end: int) -> None:
        with self._requests.open(start, end - start) as answer:
            if answer.status == 200 and (start, end) != (0, self._state.size):
                raise NoRanges
            for chunk in answer.chunks():
                chunk = chunk[: end - self._at]
                self._state.write(self._at, chunk)
                self._at += len(chunk)
                if self._at >= end:
                    return
            raise Broken(f"{answer.host} sent less than it promised", hint="try again")

    def _fetch_stream(self) -> None:
        offset = 0
        with self._requests.open(0, self._state.size) as answer:
            for chunk in answer.chunks():
                if self._state.stopped:
                    raise Stopped
                chunk = chunk[: self._state.size - offset]
                offset += len(chunk)
                if offset > self._at:
                    new = chunk[self._at - offset :] if offset - self._at < len(chunk) else chunk
                    self._state.write(self._at, new)
                    self._at = offset
                if offset >= self._state.size:
                    return
            raise Broken(f"{answer.host} sent less than it promised", hint="try again")


class Hasher:
    """The sha256 of the blob, taken of what is there without a gap while the rest comes."""

    def __init__(self, state: TransferState, path: Path) -> None:
        self._state = state
        self._path = path
        self.hashed = 0
        self.digest: str | None = None

    def run(self) -> None:
        """Hash up to the end."""
        sha256 = hashlib.sha256()
        view = memoryview(bytearray(min(HASH_BLOCK, max(self._state.size, 1))))
        with self._path.open("rb", buffering=0) as file:
            while self.hashed < self._state.size:
                until = self._state.wait_for_prefix(self.hashed)
                while self.hashed < until and not self._state.stopped:
                    count = file.readinto(view[: min(len(view), until - self.hashed)])
                    if not count:
                        raise OSError("the file has become shorter")
                    sha256.update(view[:count])
                    self.hashed += count
        self.digest = f"sha256:{sha256.hexdigest()}"
        with self._state.changed:
            self._state.changed.notify_all()


class Recorder:
    """Brings to the disk what has come, then writes that down: a record never claims what a power cut could take."""

    def __init__(self, state: TransferState, partial: Partial, target: FileIO, every_s: float) -> None:
        self._state = state
        self._partial = partial
        self._target = target
        self._every_s = every_s

    def run(self) -> None:
        """Keep the record until the transfer ends. A disk too full for it keeps the one before, which claims less."""
        recorded = -1
        while True:
            with self._state.changed:
                if self._state.changed.wait_for(lambda: self._state.stopped, self._every_s):
                    return
            if self._state.completed != recorded:
                recorded = self._state.completed
                with suppress(OSError):
                    self._save()

    def save_at_last(self) -> None:
        """Now, when nobody writes any more. On a full disk, the end of what has come makes room for the record."""
        try:
            self._save()
        except OSError:
            with suppress(OSError):
                self._target.truncate(max(self._target.seek(0, os.SEEK_END) - ROOM, 0))
                self._save()

    def _save(self) -> None:
        there = self._state.there()
        getattr(os, "fdatasync", os.fsync)(self._target.fileno())
        self._partial.write(there)
