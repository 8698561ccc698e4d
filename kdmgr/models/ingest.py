"""Copy a file into the store: one pass, hashed on the way, in bounded memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from kdmgr.errors import Unreadable
from kdmgr.models.manifest import LAYER_PREFIX, Layer
from kdmgr.models.own_store import OwnStore
from kdmgr.models.progress import Progress
from kdmgr.models.store import blob_path
from kdmgr.units import MIB

BLOCK = 4 * MIB

Report = Callable[[Progress], None]
"""Called after each block; whatever it raises stops the copy and leaves nothing behind."""


def ingest_file(store: OwnStore, source: Path, kind: str, report: Report) -> Layer:
    """Store the content of `source` as a layer of `kind`. Hold the store's lock.

    Raises `StorageFailed` when the disk has no room, `Unreadable` when the file changes meanwhile.
    """
    before = source.stat()
    store.require_space(before.st_size)
    handle, partial = store.open_partial()
    try:
        with os.fdopen(handle, "wb", buffering=0) as target:
            digest = _copy(source, target.write, before.st_size, report)
            os.fsync(target.fileno())
        after = source.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise _changed(source)
        path = blob_path(store.blobs, digest)
        if path.is_file() and path.stat().st_size == before.st_size:
            partial.unlink()
        else:
            store.adopt(partial, digest)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return Layer(LAYER_PREFIX + kind, digest, before.st_size)


def _copy(source: Path, write: Callable[[memoryview], int | None], total: int, report: Report) -> str:
    """Copy and hash; returns the digest."""
    sha256, block, completed = hashlib.sha256(), bytearray(BLOCK), 0
    view = memoryview(block)
    with source.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            sha256.update(view[:count])
            _write_all(write, view[:count])
            completed += count
            if completed > total:
                # Another program is writing it: there might never be an end.
                raise _changed(source)
            report(Progress("copying and hashing", None, completed, total))
    return f"sha256:{sha256.hexdigest()}"


def _write_all(write: Callable[[memoryview], int | None], data: memoryview) -> None:
    """A raw file may take less than it was given."""
    while data:
        data = data[write(data) or 0 :]


def _changed(source: Path) -> Unreadable:
    return Unreadable(f"{source} changed while it was read", hint="import it again when it is complete")
