"""The header cache: a GGUF's header is walked once, then read back in a millisecond.

Blobs are keyed by digest, which never goes stale; other files by what the file system knows of them. What
came over the network is kept apart for each place it came from: a digest can only be checked against a whole
file, so a place that lies about one must not be able to answer for another.
"""

from __future__ import annotations

from pathlib import Path

from kdmgr.files import write_atomically
from kdmgr.gguf.codec import FORMAT, decode_header, encode_header
from kdmgr.gguf.header import GgufHeader
from kdmgr.gguf.reader import read_header
from kdmgr.gguf.source import FileSource
from kdmgr.models.source_file import explain, open_source

MAX_ENTRIES = 500


class HeaderCache:
    """Parsed headers below `folder`. A cache that cannot be written only costs time."""

    def __init__(self, folder: Path, *, max_entries: int = MAX_ENTRIES) -> None:
        self._folder = folder
        self._max_entries = max_entries

    def read(self, path: Path, digest: str | None = None) -> GgufHeader:
        """The header of the file at `path`; `digest` names its content where that is known.

        Raises `NotFound` for a missing file, `GgufError` for one that is no GGUF.
        """
        entry = self._folder / f"{_key(path, digest)}.json"
        try:
            return decode_header(entry.read_bytes())
        except (OSError, ValueError, RecursionError):
            header = read_file_header(path)
            self._keep(entry, header)
            return header

    def find_remote(self, digest: str, origin: str) -> GgufHeader | None:
        """The header of the blob `digest` if it was read on this machine, or came from `origin` before."""
        for key in (_digest_key(digest), _remote_key(digest, origin)):
            try:
                return decode_header((self._folder / f"{key}.json").read_bytes())
            except (OSError, ValueError, RecursionError):
                continue
        return None

    def keep_remote(self, digest: str, origin: str, header: GgufHeader) -> None:
        """Remember what `origin` sent as the header of the blob `digest`."""
        self._keep(self._folder / f"{_remote_key(digest, origin)}.json", header)

    def _keep(self, entry: Path, header: GgufHeader) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(entry, encode_header(header))
            self._forget_oldest()
        except OSError:
            return

    def _forget_oldest(self) -> None:
        """Keep the newest entries. What a killed kdmgr left half-written ages out with them."""
        entries = list(self._folder.iterdir())
        if len(entries) > self._max_entries:
            entries.sort(key=lambda path: path.stat().st_mtime_ns)
            for path in entries[: len(entries) - self._max_entries]:
                path.unlink(missing_ok=True)


def read_file_header(path: Path) -> GgufHeader:
    """Walk the header of a file, without the cache."""
    with open_source(path) as file:
        try:
            return read_header(FileSource(file))
        except OSError as error:
            raise explain(path, error) from error


def _key(path: Path, digest: str | None) -> str:
    """What an entry is filed under; raises as `open_source` does for a file that is not there."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise explain(path, error) from error
    if digest is not None:
        return _digest_key(digest)
    # Device and inode tell files apart, whatever they are called; the rest, whether one was written to.
    identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return "-".join((str(FORMAT), "file", *(f"{number:x}" for number in identity)))


def _digest_key(digest: str) -> str:
    return f"{FORMAT}-{digest.removeprefix('sha256:')}"


def _remote_key(digest: str, origin: str) -> str:
    """Digests of other kinds (git's, a manifest's) are anybody's text, so they are hashed as well."""
    from hashlib import sha256

    return f"{FORMAT}-remote-{sha256(f'{origin} {digest}'.encode()).hexdigest()}"
