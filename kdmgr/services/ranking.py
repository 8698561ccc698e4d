"""The rule by which one student stands before another: one criterion after the other, never mixed into a score.

A later criterion decides only between students that are alike in all before it. All keys: the smallest first.
"""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, Any, NamedTuple

from kdmgr.catalog.students import Grade, Student
from kdmgr.fit.plan import Verdict
from kdmgr.services.choosing import pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdmgr.fit.plan import Speed

READING_TOK_S = 5.0
"""What a reader keeps up with: 238 words a minute (Brysbaert 2019, doi:10.1016/j.jml.2019.104047, silent reading of
English), at the 4 tokens to 3 words that are usual."""

_VERDICTS = (Verdict.FITS, Verdict.TIGHT, Verdict.PARTIAL, Verdict.CPU, Verdict.UNKNOWN, Verdict.TOO_BIG)
_GRADES = (Grade.DOCUMENTED, Grade.CLAIMED, Grade.UNVERIFIED)


class Standing(NamedTuple):
    """What the rule looks at."""

    student: Student
    verdict: Verdict
    speed: Speed | None
    kept: float | None
    """The share of its own teacher's score on the one benchmark that all are compared on."""


def by_fit(one: Standing) -> int:
    """Where its memory is."""
    return _VERDICTS.index(one.verdict)


def by_pace(one: Standing) -> int:
    """Whether it answers as fast as one reads: 0 when nothing speaks against it, 1 unknown, 2 slower."""
    tok_s = pace(one.speed)
    return 1 if tok_s is None else 0 if tok_s >= READING_TOK_S else 2


def by_evidence(one: Standing) -> tuple[int, bool]:
    """How well its lineage is documented."""
    lineage = one.student.lineage
    return _GRADES.index(lineage.grade), lineage.disputed is not None


def by_size(one: Standing) -> int:
    """Parameters, two steps for each doubling: what is published is rounded, and 14.8B is no other class than 14B."""
    parameters = one.student.parameters
    return -round(2 * log2(parameters / 1e6)) if parameters else 1


def by_kept(one: Standing) -> tuple[bool, float]:
    """What it kept of its teacher; the unmeasured last."""
    return one.kept is None, -(one.kept or 0)


def by_speed(one: Standing) -> float:
    """Tokens a second."""
    return -(pace(one.speed) or 0)


RULE: tuple[Callable[[Standing], Any], ...] = (by_fit, by_pace, by_evidence, by_size, by_kept, by_speed)


def order_of(one: Standing) -> tuple[Any, ...]:
    """To sort by the whole rule."""
    return tuple(key(one) for key in RULE)
