"""The download of one blob: several connections at once, resumed where the last one stopped, checked as it comes.

Pieces are fetched in order, so that the hash follows closely behind; what a kill leaves is what the record of
`Partials` says.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from time import monotonic

from kdmgr.errors import KdmgrError, StorageFailed
from kdmgr.models.backoff import Backoff
from kdmgr.models.disk import storage_errors
from kdmgr.models.partials import Partial
from kdmgr.models.progress import Progress, Report
from kdmgr.models.range_request import RangeRequests, RemoteFile
from kdmgr.models.spans import Spans
from kdmgr.models.transfer_state import TransferState
from kdmgr.models.transfer_threads import Fetcher, Hasher, NoRanges, Recorder, start
from kdmgr.models.web import Web
from kdmgr.units import MIB, format_bytes

PIECE, CONNECTIONS = 16 * MIB, 4
_REPORT_S, _LEAVE_S = 0.1, 1.0
_COPY_BLOCK = 4 * MIB


class WrongDigest(KdmgrError):
    """What came is not what was named."""


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """How to fetch: bytes of a piece, pieces at the same time, how failures are met."""

    piece: int = PIECE
    connections: int = CONNECTIONS
    record_every_s: float = 1.0
    """How much of the work a kill may cost."""
    backoff: Backoff = field(default_factory=Backoff)


def fetch_blob(web: Web, file: RemoteFile, partial: Partial, report: Report, options: TransferOptions) -> Path:
    """Complete `partial` from `file` and check it; the path of the data, synced and ready to be adopted.

    `report` is called ten times a second; what it raises ends the work, and what has come is kept. Raises
    `StorageFailed` for a disk that is full, `ServerUnreachable` when trying again did not help, `Unreadable` for
    a server that sends another file, `WrongDigest` (and nothing is kept).
    """
    resumed = partial.read().total
    try:
        _complete(web, file, partial, report, options)
    except WrongDigest:
        if not resumed:
            raise
        # What an earlier run left may be to blame: once more, from nothing.
        report(Progress("what was there is damaged: starting over", partial.layer.digest, 0, partial.layer.size))
        _complete(web, file, partial, report, options)
    return partial.data


def copy_local(source: Path, partial: Partial, report: Report) -> None:
    """Take from `source` what is missing, unchecked: `fetch_blob` does that, and downloads what turns out wrong."""
    layer = partial.layer
    there = partial.read()
    at = there.prefix
    partial.write(there.there())
    with suppress(OSError), source.open("rb") as file, _open(partial.data) as target:
        file.seek(at)
        target.seek(at)
        while at < layer.size and (block := file.read(min(_COPY_BLOCK, layer.size - at))):
            target.write(block)
            there.add(at, at + len(block))
            at += len(block)
            report(Progress("copying from the cache of Hugging Face", layer.digest, there.total, layer.size))
        os.fsync(target.fileno())
        partial.write(there.there())


def _complete(web: Web, file: RemoteFile, partial: Partial, report: Report, options: TransferOptions) -> None:
    requests = RangeRequests(web, file)
    spans = partial.read()
    with storage_errors(partial.data):
        # Whatever comes has a name from its first byte on, by which it can be listed and removed.
        partial.write(spans.there())
        target = _open(partial.data)
    with target:
        try:
            found = _Transfer(partial, target, spans, requests, options).run(report)
        except NoRanges:
            found = _Transfer(partial, target, partial.read(), requests, options).run(report, ranges=False)
    if found != partial.layer.digest:
        partial.discard()
        raise WrongDigest(
            f"what came is not what was listed: sha256 {found[7:19]}…, not {partial.layer.digest[7:19]}…",
            hint="nothing of it was kept; try again, and tell its publisher if it happens again",
        )


def _open(path: Path) -> FileIO:
    return FileIO(path, "r+b" if path.exists() else "w+b")


class _Transfer:
    """One go at a blob."""

    def __init__(
        self, partial: Partial, target: FileIO, spans: Spans, requests: RangeRequests, options: TransferOptions
    ) -> None:
        self._partial = partial
        self._requests = requests
        self._options = options
        self._state = TransferState(target, spans, options.piece)
        self._hasher = Hasher(self._state, partial.data)
        self._recorder = Recorder(self._state, partial, target, options.record_every_s)

    def run(self, report: Report, *, ranges: bool = True) -> str:
        """The digest of the whole, once it is there."""
        state = self._state
        threads = [start(state, self._hasher.run), start(state, self._recorder.run)]
        wanted = self._options.connections if ranges else 1
        fetchers: list[threading.Thread] = []
        try:
            while self._hasher.digest is None and state.failure is None:
                # The first one learns where the file is; the others follow it there.
                if len(fetchers) < wanted and (not fetchers or state.received) and not state.complete:
                    fetchers.append(start(state, self._fetch(ranges)))
                    continue
                report(self._progress())
                with state.changed:
                    state.changed.wait(_REPORT_S)
            if state.failure is None:
                report(Progress("checking", self._partial.layer.digest, state.size, state.size))
        finally:
            state.stop()
            leave = monotonic() + _LEAVE_S
            for thread in (*threads, *fetchers):
                thread.join(max(leave - monotonic(), 0.0))
            self._recorder.save_at_last()
        if state.failure is not None:
            raise _explained(state.failure, self._partial)
        assert self._hasher.digest is not None
        return self._hasher.digest

    def _fetch(self, ranges: bool) -> Callable[[], None]:
        fetcher = Fetcher(self._state, self._requests, self._options.backoff)
        return fetcher.fetch_pieces if ranges else fetcher.fetch_whole

    def _progress(self) -> Progress:
        state, layer = self._state, self._partial.layer
        status = "checking" if state.complete else state.trouble or "downloading"
        return Progress(status, layer.digest, state.completed, layer.size)


def _explained(failure: BaseException, partial: Partial) -> BaseException:
    """The disk's errors in words, with what is kept; everything else as it is."""
    if not isinstance(failure, OSError):
        return failure
    kept = f"{format_bytes(partial.read().total)} of {format_bytes(partial.layer.size)} are kept"
    error = StorageFailed(
        f"cannot write to {partial.data.parent}: {failure.strerror or failure}; {kept}",
        hint="make room (kdmgr rm), then pull again: it goes on where it stopped",
    )
    error.__cause__ = failure
    return error
