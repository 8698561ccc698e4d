"""What the headers of one model's quants have in common: how long their vocabularies are.

Quants of a model differ in a few keys and in the tensor table, and share megabytes of tokens, whose lengths a
reader has to walk one by one. Where one header has been walked, the next is jumped through, and then proved:
the key behind each jump has to be the one that followed there, and the tensors have to end where the file does.
"""

from __future__ import annotations

from kdmgr.gguf.errors import GgufError
from kdmgr.gguf.header import GgufHeader


class Walk:
    """The long string arrays of one header, by key and number of strings."""

    def __init__(self) -> None:
        self._spans: dict[tuple[str, int], int] = {}
        self._following: dict[tuple[str, int], str] = {}
        self._last: tuple[str, int] | None = None

    def __bool__(self) -> bool:
        """Whether a header was walked."""
        return bool(self._following)

    def add(self, key: str, count: int, n_bytes: int) -> None:
        """Note that the array `key` of `count` strings took so many bytes."""
        self._last = (key, count)
        self._spans[self._last] = n_bytes

    def add_key(self, key: str) -> None:
        """Note the key that follows; only the one behind an array matters."""
        if self._last is not None:
            self._following[self._last] = key
            self._last = None

    def learn(self, other: Walk) -> None:
        """Take over what a finished reading noted, unless something is known already; safe among threads."""
        if not self:
            self._spans, self._following = other._spans, other._following

    def jumps(self) -> Jumps:
        """A way through one more header."""
        return Jumps(self._spans, self._following)


class Jumps:
    """One reading that trusts a `Walk` until it is proved wrong."""

    def __init__(self, spans: dict[tuple[str, int], int], following: dict[tuple[str, int], str]) -> None:
        self._spans = spans
        self._following = following
        self._expected: str | None = None

    def find(self, key: str, count: int) -> int | None:
        """Bytes to step over; None where nothing is known of such an array, or of what follows it."""
        self._expected = self._following.get((key, count))
        return self._spans.get((key, count)) if self._expected is not None else None

    def check_key(self, key: str) -> None:
        """Raise `GgufError` when a jump did not lead to where it should have."""
        if self._expected not in (None, key):
            raise GgufError(f"the key {self._expected} does not follow")
        self._expected = None

    @staticmethod
    def check_end(header: GgufHeader, size: int | None) -> None:
        """Raise `GgufError` unless the tensors end where the file does."""
        if size is None or not 0 <= size - header.file_bytes < header.alignment:
            raise GgufError("the tensors do not end with the file")
