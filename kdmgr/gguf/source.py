"""Where header bytes come from: an open file, a growing prefix, or ranges of something remote."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from kdmgr.gguf.errors import NeedMoreBytes


class Source(Protocol):
    """Random access to the bytes of a GGUF."""

    @property
    def size(self) -> int | None:
        """Length of the whole file; None when it is not known."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; none where the file ends."""


class FileSource:
    """An open local file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size: int | None = file.seek(0, 2)

    def read_at(self, offset: int, size: int) -> bytes:
        """Read from the file."""
        self._file.seek(offset)
        return self._file.read(size)


class PrefixSource:
    """The first bytes of a file whose rest has not arrived.

    Reading past them raises `NeedMoreBytes`, which asks for twice as much each time, so that a header
    of any length is walked at most about twice in all.
    """

    def __init__(self, prefix: bytes, size: int | None = None) -> None:
        self._prefix = prefix
        self.size = size

    def read_at(self, offset: int, size: int) -> bytes:
        """A slice of the prefix."""
        if self.size is not None and offset >= self.size:
            return b""
        if offset >= len(self._prefix):
            wanted = max(offset + 1, 2 * len(self._prefix))
            raise NeedMoreBytes(wanted if self.size is None else min(wanted, self.size))
        return self._prefix[offset : offset + size]
