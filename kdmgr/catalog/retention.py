"""How much of the teacher a student kept, benchmark by benchmark, and why that cannot always be told.

Two scores are divided only where one source printed both: others were not measured alike. Nothing is averaged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kdmgr.catalog.students import Score, Student

_PUNCTUATION = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Retention:
    """What one benchmark says. Of a share and its reason, exactly one is None; of a gap and its reason too."""

    score: Score
    share: float | None
    """The student's score over the teacher's (inverted where lower is better); above 1 it has passed the teacher."""
    why_no_share: str | None
    gap_closed: float | None
    """How far the student came from its base to its teacher: 0 is the base, 1 the teacher."""
    why_no_gap: str | None

    @property
    def points(self) -> float | None:
        """Student less teacher, in the benchmark's own points; None where they were not measured alike."""
        score = self.score
        return None if score.teacher is None or not score.same_source else score.student - score.teacher


def find_retention(student: Student) -> tuple[Retention, ...]:
    """Every benchmark of the student, in the catalog's order."""
    return tuple(map(retain, student.scores))


def retain(score: Score) -> Retention:
    """What `score` says of the student beside its teacher and its base."""
    share = score.retention
    gap, why_no_gap = _close_gap(score)
    return Retention(score, share, None if share is not None else _why_no_share(score), gap, why_no_gap)


def _why_no_share(score: Score) -> str:
    if score.teacher is None:
        return "no teacher score"
    if not score.same_source:
        return "teacher's score is from another source"
    if score.is_rating:
        return "a rating: it has differences, no shares"
    return "a score of zero cannot be divided by"


def _close_gap(score: Score) -> tuple[float | None, str | None]:
    if score.base is None:
        return None, "no score of its base"
    if score.teacher is None or not score.same_source:
        return None, _why_no_share(score)
    if score.base.source_url != score.source_url:
        return None, "base's score is from another source"
    gap = score.teacher - score.base.score
    ahead = gap > 0 if not score.lower_is_better else gap < 0
    return ((score.student - score.base.score) / gap, None) if ahead else (None, "the teacher is not ahead of the base")


Judge = Callable[[Score], bool]
"""Whether a score is of interest: one held against the teacher that is asked about, say."""


def same_benchmark(one: str, other: str) -> bool:
    """Whether two names are of one benchmark: "GPQA-Diamond" and "GPQA Diamond" are."""
    return _fold(one) == _fold(other)


def shared_benchmark(students: Iterable[Student], counts: Judge = lambda score: True) -> str | None:
    """The benchmark that most of `students` can be held against their teacher by; None where none can.

    Of several that as many share, the one that comes first in most entries' tables.
    """
    ranks: dict[str, list[int]] = {}
    written: dict[str, str] = {}
    for student in students:
        divided = (score.benchmark for score in student.scores if score.retention is not None and counts(score))
        for rank, benchmark in enumerate(dict.fromkeys(divided)):
            ranks.setdefault(_fold(benchmark), []).append(rank)
            written.setdefault(_fold(benchmark), benchmark)
    best = min(ranks, key=lambda name: (-len(ranks[name]), sum(ranks[name]), name), default=None)
    return written[best] if best is not None else None


def retain_by(student: Student, benchmark: str | None, counts: Judge = lambda score: True) -> Retention | None:
    """The student's retention by `benchmark`; None where it has no such score.

    Where it was asked in several ways, the first that has a share: not the best.
    """
    if benchmark is None:
        return None
    scores = (score for score in student.scores if same_benchmark(score.benchmark, benchmark) and counts(score))
    found = [retain(score) for score in scores]
    return next((each for each in found if each.share is not None), next(iter(found), None))


def _fold(name: str) -> str:
    return _PUNCTUATION.sub(" ", name.casefold()).strip()


ORIGINAL_WEIGHTS = "published scores are of the original weights (BF16 or FP8) unless their source says otherwise"


def describe_precision(quant: str | None) -> str:
    """What the precision of the scores means for a file of `quant`; None is an unknown one."""
    if quant in ("BF16", "F16", "F32", "FP8"):
        return f"{ORIGINAL_WEIGHTS}; {quant} is as good as these"
    if quant is None:
        return f"{ORIGINAL_WEIGHTS}; what a quant loses is not in them"
    return f"{ORIGINAL_WEIGHTS}; what {quant} loses is not in them"
