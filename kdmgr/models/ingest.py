"""Copy a file into the store: one pass, hashed on the way, in bounded memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.models.blocks import read_blocks
from kdmgr.models.disk import storage_errors
from kdmgr.models.hashing import HASHING, changed
from kdmgr.models.manifest import LAYER_PREFIX, Layer
from kdmgr.models.own_store import OwnStore
from kdmgr.models.progress import Progress, Report
from kdmgr.models.source_file import FileState, open_source, state_of
from kdmgr.units import MIB

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

SYNC_EVERY = 64 * MIB

Write = Callable[[memoryview], None]


def ingest_file(store: OwnStore, source: Path, kind: str, report: Report, *, since: FileState | None = None) -> Layer:
    """Store the content of `source` as a layer of `kind`. Hold the store's lock.

    `since` is the state it was judged by. Raises `StorageFailed` when the disk has no room, `Unreadable` when
    the file has changed since then or changes meanwhile.
    """
    with open_source(source) as file:
        state = since or state_of(file)
        if store.has_blob_of(state.size):
            digest = _hash(file, state.size, report)
            _require_same(source, file, state)
            if store.has_blob(digest, state.size):
                return Layer(LAYER_PREFIX + kind, digest, state.size)
            file.seek(0)
        store.require_space(state.size)
        digest = _copy_into(store, source, file, state, report)
    return Layer(LAYER_PREFIX + kind, digest, state.size)


def _copy_into(store: OwnStore, source: Path, file: FileIO, state: FileState, report: Report) -> str:
    """Copy to a partial file, which becomes the blob only when it is complete. Returns the digest."""
    from concurrent.futures import ThreadPoolExecutor

    handle, partial = store.open_partial()
    try:
        with os.fdopen(handle, "wb", buffering=0) as target, ThreadPoolExecutor(1) as syncing:
            writer = _SteadyWriter(target, syncing, store.root)
            digest = _hash(file, state.size, report, writer.write)
            writer.finish()
        _require_same(source, file, state)
        store.adopt(partial, digest)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return digest


class _SteadyWriter:
    """Writes while a second thread has the system bring what is written to the disk.

    So memory does not fill with pages that wait for the disk, a full disk is met where it happens, and no
    long silence follows the last block.
    """

    def __init__(self, target: FileIO, syncing: Executor, root: Path) -> None:
        self._target = target
        self._syncing = syncing
        self._root = root
        self._pending: Future[None] | None = None
        self._unsynced = 0

    def write(self, data: memoryview) -> None:
        """Write all of `data`; a raw file may take less than it was given."""
        self._unsynced += len(data)
        with storage_errors(self._root):
            while data:
                data = data[self._target.write(data) :]
            if self._unsynced >= SYNC_EVERY:
                self._wait()
                self._pending = self._syncing.submit(os.fsync, self._target.fileno())
                self._unsynced = 0

    def finish(self) -> None:
        """Return when everything is on the disk."""
        with storage_errors(self._root):
            self._wait()
            os.fsync(self._target.fileno())

    def _wait(self) -> None:
        if self._pending:
            self._pending.result()


def _hash(file: FileIO, total: int, report: Report, write: Write | None = None) -> str:
    """The digest of `total` bytes of `file`, which go to `write` on the way."""
    sha256, completed = hashlib.sha256(), 0
    status = "copying and hashing" if write else HASHING
    for block in read_blocks(file, total):
        sha256.update(block)
        if write:
            write(block)
        completed += len(block)
        report(Progress(status, None, completed, total))
    return f"sha256:{sha256.hexdigest()}"


def _require_same(source: Path, file: FileIO, state: FileState) -> None:
    if state_of(file) != state or file.tell() != state.size:
        raise changed(source)
