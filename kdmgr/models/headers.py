"""The header cache: a GGUF's header is walked once, then read back in a millisecond.

Blobs are keyed by digest, which never goes stale; other files by what the file system knows of them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from kdmgr.errors import NotFound, Unreadable
from kdmgr.files import write_atomically
from kdmgr.gguf.codec import FORMAT, decode_header, encode_header
from kdmgr.gguf.header import GgufHeader
from kdmgr.gguf.reader import read_header
from kdmgr.gguf.source import FileSource

MAX_ENTRIES = 1000


class HeaderCache:
    """Parsed headers below `folder`. A cache that cannot be written only costs time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: Path, digest: str | None = None) -> GgufHeader:
        """The header of the file at `path`; `digest` names its content where that is known.

        Raises `NotFound` for a missing file, `GgufError` for one that is no GGUF.
        """
        entry = self._folder / f"{self._key(path, digest)}.json"
        try:
            return decode_header(entry.read_bytes())
        except (OSError, ValueError):
            header = read_file_header(path)
            self._keep(entry, header)
            return header

    def _key(self, path: Path, digest: str | None) -> str:
        try:
            status = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from error
        if digest is not None:
            return f"{FORMAT}-{digest.removeprefix('sha256:')}"
        identity = (path.resolve(), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        return f"{FORMAT}-file-{hashlib.sha256(repr(identity).encode()).hexdigest()[:40]}"

    def _keep(self, entry: Path, header: GgufHeader) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(entry, encode_header(header))
            self._forget_oldest()
        except OSError:
            return

    def _forget_oldest(self) -> None:
        entries = list(self._folder.glob("*.json"))
        if len(entries) > MAX_ENTRIES:
            entries.sort(key=lambda path: path.stat().st_mtime)
            for path in entries[: len(entries) - MAX_ENTRIES]:
                path.unlink(missing_ok=True)


def read_file_header(path: Path) -> GgufHeader:
    """Walk the header of a file, without the cache."""
    try:
        if path.is_dir():
            raise Unreadable(f"{path} is a folder", hint="name the .gguf file in it")
        with path.open("rb", buffering=0) as file:
            return read_header(FileSource(file))
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> NotFound:
    if isinstance(error, FileNotFoundError):
        return NotFound(f"no such file: {path}", hint=f"look at what is there: ls {path.parent}")
    return NotFound(f"cannot read {path}: {error.strerror or error}")
