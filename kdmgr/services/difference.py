"""Where two answers part. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.services.graphemes import cut_before


@dataclass(frozen=True, slots=True)
class Difference:
    """Two texts compared from their beginning; blanks around them do not count, for engines differ in them."""

    identical: bool
    shared: int
    """Characters in common at the beginning; none is cut in two."""
    longer: int
    """Characters of the longer one."""
    left_at: int
    """Where the left one parts from the other, as an index into it; its end where they never do."""
    right_at: int
    word: int | None
    """The number of the word, from 1, in which they part; None when they do not."""
    left_word: str
    """That word; "" where the text has ended."""
    right_word: str

    @property
    def share(self) -> float:
        """How much of the longer text is common to both, from 0 to 1."""
        return self.shared / self.longer if self.longer else 1.0


def find_difference(left: str, right: str) -> Difference:
    """The first difference of two texts."""
    first, second = left.strip(), right.strip()
    shared = count_shared(first, second)
    shared = min(cut_before(first, shared), cut_before(second, shared))
    start = _start_of_word(first, second, shared)
    identical = first == second
    return Difference(
        identical=identical,
        shared=shared,
        longer=max(len(first), len(second)),
        left_at=_skipped(left) + shared,
        right_at=_skipped(right) + shared,
        word=None if identical else len(first[:start].split()) + 1,
        left_word="" if identical else _word_from(first, start),
        right_word="" if identical else _word_from(second, start),
    )


def count_shared(left: str, right: str) -> int:
    """Code points in common at the beginning."""
    return next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def _skipped(text: str) -> int:
    return len(text) - len(text.lstrip())


def _start_of_word(first: str, second: str, at: int) -> int:
    """Where the word begins that the texts part in; between two words, right there."""
    if not (first[at : at + 1].strip() or second[at : at + 1].strip()):
        return at
    while at and not first[at - 1].isspace():
        at -= 1
    return at


def _word_from(text: str, start: int) -> str:
    words = text[start:].split(maxsplit=1)
    return words[0] if words else ""
