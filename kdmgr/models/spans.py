"""Which bytes of a file are there: half-open spans, sorted and joined."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

Span = tuple[int, int]
"""From the first byte up to, but without, the last."""


class Spans:
    """The bytes from 0 to `size` of which some are there. `total` counts those."""

    def __init__(self, size: int, there: Iterable[Span] = ()) -> None:
        self.size = size
        self.total = 0
        self._spans: list[Span] = []
        for start, end in there:
            self.add(max(start, 0), min(end, size))

    def add(self, start: int, end: int) -> None:
        """Now the bytes from `start` to `end` are there, too."""
        if start >= end:
            return
        at = bisect_left(self._spans, (start, start))
        if at and self._spans[at - 1][1] >= start:
            at -= 1
        upto = at
        while upto < len(self._spans) and self._spans[upto][0] <= end:
            start, end = min(start, self._spans[upto][0]), max(end, self._spans[upto][1])
            upto += 1
        self.total += end - start - sum(to - since for since, to in self._spans[at:upto])
        self._spans[at:upto] = [(start, end)]

    @property
    def prefix(self) -> int:
        """How many bytes are there from the start on, without a gap."""
        return self._spans[0][1] if self._spans and self._spans[0][0] == 0 else 0

    @property
    def complete(self) -> bool:
        """Whether every byte is there."""
        return self.total == self.size

    def there(self) -> list[Span]:
        """What is there."""
        return list(self._spans)

    def missing(self, longest: int) -> list[Span]:
        """What is not, in order, in pieces of at most `longest` bytes."""
        edges = [0, *(edge for span in self._spans for edge in span), self.size]
        gaps = zip(edges[::2], edges[1::2], strict=True)
        return [(start, min(start + longest, end)) for since, end in gaps for start in range(since, end, longest)]
