"""Digests of files that were hashed before: what was hashed once is known until the file is written to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from time import time_ns

from kdmgr.errors import Unreadable
from kdmgr.files import write_atomically
from kdmgr.models.hashing import hash_file
from kdmgr.models.manifest import normalise_digest
from kdmgr.models.progress import Report
from kdmgr.models.source_file import FileState, explain

MAX_ENTRIES = 2000
# A file written to right after it was hashed may keep its time: some file systems count in steps of 2 s.
SETTLED_NS = 2_000_000_000
_MAX_ENTRY = 1 << 16

Identity = tuple[int, int, int, int, int]
"""Device, inode, size, and the times of the last change of content and of anything, in nanoseconds."""


class DigestMemory:
    """One small file below `folder` for each path. A memory that cannot be written only costs time."""

    def __init__(self, folder: Path, *, max_entries: int = MAX_ENTRIES, now_ns: Callable[[], int] = time_ns) -> None:
        self._folder = folder
        self._max_entries = max_entries
        self._now_ns = now_ns

    def hash(self, path: Path, report: Report, *, since: FileState | None = None) -> str:
        """`sha256:<hex>` of a file, remembered or hashed now. Raises as `hash_file` does."""
        known = self.find(path)
        if known is not None:
            return known
        before = _identify(path)
        digest, _ = hash_file(path, report, since=since)
        if _identify(path) == before:
            self._keep(path, before, digest)
        return digest

    def find(self, path: Path) -> str | None:
        """The digest of `path` if it was hashed before and has not been written to; `NotFound` without a file."""
        identity = _identify(path)
        try:
            with self._entry(path).open("rb") as file:
                entry = json.loads(file.read(_MAX_ENTRY))
            if tuple(entry["identity"]) == identity and entry["path"] == _spell(path):
                return normalise_digest(entry["digest"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError, Unreadable):
            pass
        return None

    def forget(self, path: Path) -> None:
        """Hash `path` again next time."""
        try:
            self._entry(path).unlink(missing_ok=True)
        except OSError:
            return

    def _entry(self, path: Path) -> Path:
        return self._folder / f"{sha256(_spell(path).encode()).hexdigest()[:40]}.json"

    def _keep(self, path: Path, identity: Identity, digest: str) -> None:
        if self._now_ns() - identity[3] < SETTLED_NS:
            return
        entry = {"path": _spell(path), "identity": identity, "digest": digest}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._entry(path), json.dumps(entry).encode())
            self._forget_oldest()
        except OSError:
            return

    def _forget_oldest(self) -> None:
        entries = list(self._folder.iterdir())
        if len(entries) > self._max_entries:
            entries.sort(key=lambda entry: entry.stat().st_mtime_ns)
            for entry in entries[: len(entries) - self._max_entries]:
                entry.unlink(missing_ok=True)


def blob_digest(path: Path, stores: Iterable[Path]) -> str | None:
    """The digest of a file that is a blob of one of `stores` (folders of blobs), or the same file on the disk.

    A blob is named for its content, so that it need not be read.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    for blobs in stores:
        try:
            with os.scandir(blobs) as entries:
                for entry in entries:
                    if entry.name.startswith("sha256-") and _is_same(entry, status):
                        return normalise_digest(entry.name)
        except (OSError, Unreadable):
            continue
    return None


def _is_same(entry: os.DirEntry[str], status: os.stat_result) -> bool:
    if os.name != "nt" and entry.inode() != status.st_ino and not entry.is_symlink():
        return False
    found = entry.stat()
    return S_ISREG(found.st_mode) and os.path.samestat(found, status)


def _identify(path: Path) -> Identity:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise explain(path, error) from error
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _spell(path: Path) -> str:
    return os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")
