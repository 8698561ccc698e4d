"""A bounded walk over header bytes: one window in memory, every length checked before it is believed."""

from __future__ import annotations

import struct

from kdmgr.gguf.errors import GgufError
from kdmgr.gguf.source import Source
from kdmgr.gguf.walk import Jumps, Walk

WINDOW = 1 << 16
# No header that exists comes near these; one that claims more is lying. The largest tokenizers
# (about 300k tokens and their merges) make headers of 10 to 20 MiB.
MAX_HEADER = 1 << 30
MAX_STRING = 4 << 20
MAX_KEPT = 32 << 20


class Cursor:
    """Reads forward through a `Source`, holding one window of it."""

    def __init__(self, source: Source, walk: Walk | None = None, jumps: Jumps | None = None) -> None:
        self._source = source
        self._walk = walk
        self._jumps = jumps
        self._limit = MAX_HEADER if source.size is None else min(source.size, MAX_HEADER)
        self._window = b""
        self._start = 0
        self._at = 0
        self._kept = 0
        self.little_endian = True
        self.wide = True
        """Whether counts and lengths take 64 bits (from version 2 on) or 32."""

    @property
    def offset(self) -> int:
        """Bytes read or skipped so far."""
        return self._start + self._at

    @property
    def left(self) -> int:
        """Bytes that the rest of the header could have, at the most."""
        return self._limit - self.offset

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        self._require(size)
        taken = self._window[self._at : self._at + size]
        self._at += size
        return taken

    def skip(self, size: int) -> None:
        """Step over `size` bytes without reading those outside the window."""
        if size > self.left:
            raise self._cut(size)
        if self._at + size <= len(self._window):
            self._at += size
        else:
            self._start, self._window, self._at = self.offset + size, b"", 0

    def scalar(self, code: str) -> bool | int | float:
        """One value of the `struct` format `code`, in the file's byte order."""
        layout = ("<" if self.little_endian else ">") + code
        (value,) = struct.unpack(layout, self.take(struct.calcsize(layout)))
        return value  # type: ignore[no-any-return]

    def scalars(self, code: str, count: int) -> tuple[bool | int | float, ...]:
        """`count` values of the same format."""
        layout = f"{'<' if self.little_endian else '>'}{count}{code}"
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def count(self, what: str, least: int) -> int:
        """A count of things that take `least` bytes each, refused when the file could not hold them."""
        count = int(self.scalar("Q" if self.wide else "I"))
        if count * least > self.left:
            raise GgufError(
                f"the header claims {count} {what}, more than the file could hold",
                hint="the file is damaged or not a GGUF; download it again",
            )
        return count

    def string(self) -> str:
        """A length and that many bytes of UTF-8; bytes that are not become U+FFFD."""
        length = self.count("bytes of text", 1)
        self._kept += length
        if length > MAX_STRING or self._kept > MAX_KEPT:
            raise GgufError(f"the header holds {length} bytes of text in one value, more than any model has")
        return self.take(length).decode("utf-8", "replace")

    def key(self) -> str:
        """The name of the next metadata key."""
        key = self.string()
        if self._walk is not None:
            self._walk.add_key(key)
        if self._jumps is not None:
            self._jumps.check_key(key)
        return key

    def skip_array(self, key: str, count: int) -> None:
        """Step over the strings of the array `key`: at once where a sibling's length is known."""
        known = self._jumps.find(key, count) if self._jumps is not None else None
        if known is not None:
            self.skip(known)
            return
        start = self.offset
        self.skip_strings(count)
        if self._walk is not None:
            self._walk.add(key, count, self.offset - start)

    def skip_strings(self, count: int) -> None:
        """Step over `count` strings. The hot loop of a header: a tokenizer has some 100,000 of them."""
        layout = struct.Struct(("<" if self.little_endian else ">") + ("Q" if self.wide else "I"))
        unpack, width = layout.unpack_from, layout.size
        while count:
            self._require(width)
            window, at, last = self._window, self._at, len(self._window) - width
            while count and at <= last:
                following = at + width + unpack(window, at)[0]
                if following > len(window):
                    break
                at = following
                count -= 1
            self._at = at
            if count and at <= last:
                self.skip(self.count("bytes of text", 1))
                count -= 1

    def _require(self, size: int) -> None:
        """Have at least `size` bytes in the window after the current place."""
        if size > self.left:
            raise self._cut(size)
        while len(self._window) - self._at < size:
            self._start, self._window, self._at = self.offset, self._window[self._at :], 0
            end = self._start + len(self._window)
            more = self._source.read_at(end, max(WINDOW, size - len(self._window)))
            if not more:
                raise self._cut(size)
            self._window += more

    def _cut(self, size: int) -> GgufError:
        return GgufError(
            f"the header is cut: {size} more bytes were to follow byte {self.offset}",
            hint="the file is incomplete; download it again",
        )
