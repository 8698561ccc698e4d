"""Which student to take for a task on a machine: one criterion after the other, never mixed into a score.

Each place in the list has one reason, which can be said and checked. `CRITERIA` is the rule in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kdmgr.catalog.licences import why_not_open
from kdmgr.catalog.retention import same_benchmark, shared_benchmark
from kdmgr.catalog.students import Student
from kdmgr.catalog.tasks import why_task
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import Verdict
from kdmgr.services.choosing import USUAL_CONTEXT, good_verdicts, kept_score, pace, require_task
from kdmgr.services.ranking import (
    READING_TOK_S,
    Standing,
    by_evidence,
    by_fit,
    by_kept,
    by_pace,
    by_size,
    by_speed,
    order_of,
)
from kdmgr.units import format_bytes, format_count, format_parameters

if TYPE_CHECKING:
    from kdmgr.catalog.students import Score
    from kdmgr.catalog.tasks import Task
    from kdmgr.fit.machine import Machine
    from kdmgr.services.app import Services
    from kdmgr.services.size_estimates import SizedStudent


@dataclass(frozen=True, slots=True)
class Need:
    """What is to be done, and what is a condition."""

    task: str = "chat"
    n_ctx: int = USUAL_CONTEXT
    open_licence: bool = False
    partial: bool = False
    """Whether models of which only a part fits the GPUs may be named."""
    installed: bool = False
    most_parameters: int | None = None
    benchmark: str | None = None
    """To compare on; None for the task's that most of those that fit were measured on."""
    read_headers: int = 0
    """Of how many of the best the header is to be read over the network, where it is not known."""


@dataclass(frozen=True, slots=True)
class Recommended:
    """One student, and why it is there. All reasons are phrases, safe once made printable."""

    sized: SizedStudent
    why_task: str
    score: Score | None
    """On the benchmark compared on, beside its teacher's from the same source."""
    reasons: tuple[tuple[str, str], ...]
    """Criterion and what it found, in the order of the rule."""
    ahead: str | None = None
    """What puts it before the next; None for the last."""

    @property
    def standing(self) -> Standing:
        """What the rule looks at."""
        kept = self.score.retention if self.score else None
        return Standing(self.sized.student, self.sized.verdict, self.sized.speed, kept)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A student for the task that is not named, and why."""

    student: Student
    reason: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The answer, the best first."""

    task: Task
    machine: Machine
    n_ctx: int
    benchmark: str | None
    """None where no two of those that fit can be compared."""
    students: tuple[Recommended, ...]
    left_out: tuple[LeftOut, ...]
    n_without_task: int = 0
    """Students of the catalog whose entries say nothing of the task."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One step of the rule."""

    name: str
    words: str
    key: Callable[[Standing], Any]
    """What to sort by, the smallest first."""
    describe: Callable[[Recommended], str]


def _describe_kept(one: Recommended) -> str:
    score = one.score
    if score is None or score.retention is None:
        return "cannot be compared"
    asked = f", {score.shots}" if score.shots else ""
    return (
        f"{score.retention:.0%} of {score.teacher_name}'s {score.benchmark} "
        f"({score.student:g} of {score.teacher:g}{asked})"
    )


def _describe_fit(one: Recommended) -> str:
    sized = one.sized
    about = "" if sized.planned else "about "
    return f"{sized.verdict.value}, {about}{format_bytes(sized.memory_bytes)} at {format_count(sized.n_ctx)}"


def _describe_speed(one: Recommended) -> str:
    speed = one.sized.speed
    if speed is None:
        return "unknown"
    if speed.decode_tok_s is None:
        return speed.words or f"at most {speed.high_tok_s:.0f} tok/s"
    return f"{speed.decode_tok_s:.0f} tok/s ({speed.grade})"


def _describe_pace(one: Recommended) -> str:
    tok_s = pace(one.sized.speed)
    if tok_s is None:
        return "unknown"
    return f"{'as fast as' if tok_s >= READING_TOK_S else 'slower than'} one reads"


CRITERIA = (
    Criterion(
        "fit",
        "all on the GPUs with the margin, then without it, then (asked for) in part; without a GPU, in host memory",
        by_fit,
        _describe_fit,
    ),
    Criterion(
        "pace",
        f"that it can answer as fast as one reads, {READING_TOK_S:g} tok/s; those that cannot last",
        by_pace,
        _describe_pace,
    ),
    Criterion(
        "evidence",
        "that it is a student, of whom and how: documented, then claimed, then unverified; the undisputed first",
        by_evidence,
        lambda one: one.sized.student.lineage.standing,
    ),
    Criterion(
        "size",
        "more parameters, in steps of half a doubling: a guess at quality and no measurement",
        by_size,
        lambda one: f"{format_parameters(one.sized.student.parameters)} parameters",
    ),
    Criterion(
        "kept",
        "its share of its own teacher's score on one benchmark of the task, both from one source; the unmeasured last",
        by_kept,
        _describe_kept,
    ),
    Criterion(
        "speed",
        "the faster one: measured here, else predicted, else bound by the memory's bandwidth",
        by_speed,
        _describe_speed,
    ),
)


def describe_rule() -> tuple[str, ...]:
    """The rule, a sentence for each criterion in its order."""
    return tuple(f"{number}. {criterion.name}: {criterion.words}" for number, criterion in enumerate(CRITERIA, start=1))


def recommend_students(services: Services, need: Need, machine: Machine) -> Recommendation:
    """The students for `need`, the best first, and those left out.

    Asks over the network only where headers shall be read: then until all that would be named are planned, or
    cannot be.
    """
    from kdmgr.services.sizing import Sizer

    task = require_task(need.task)
    candidates = {student.id: why for student in services.catalog if (why := why_task(student, task))}
    sizer = Sizer(services, machine, RunOptions(n_ctx=need.n_ctx))
    sized = {student.id: sizer.size(student) for student in services.catalog if student.id in candidates}
    answer = _answer(sized, candidates, need, machine)
    asked: set[str] = set()
    while pending := [
        one.sized.student
        for one in answer.students[: need.read_headers]
        if not one.sized.read and one.sized.student.id not in asked
    ]:
        for student in pending:
            asked.add(student.id)
            sized[student.id] = sizer.size_published(student) or sized[student.id]
        answer = _answer(sized, candidates, need, machine)
    return replace(answer, n_without_task=len(services.catalog) - len(candidates))


def _answer(
    sized: Mapping[str, SizedStudent], candidates: Mapping[str, str], need: Need, machine: Machine
) -> Recommendation:
    """Those that meet the conditions, ranked, and the others; `candidates` has what speaks for each."""
    task = require_task(need.task)
    reasons = {student_id: _why_left_out(one, need, machine) for student_id, one in sized.items()}
    taken = [one for student_id, one in sized.items() if reasons[student_id] is None]
    left_out = tuple(LeftOut(sized[student_id].student, why) for student_id, why in reasons.items() if why)
    benchmark = _choose_benchmark([one.student for one in taken], task, need.benchmark)
    ranked = rank([_describe(one, candidates[one.student.id], benchmark) for one in taken])
    return Recommendation(task, machine, need.n_ctx, benchmark, ranked, left_out)


def rank(found: Sequence[Recommended]) -> tuple[Recommended, ...]:
    """In the order of the rule, each with what puts it before the next."""
    ordered = sorted(found, key=lambda one: (*order_of(one.standing), one.sized.student.id))
    nexts = [*ordered, None][1:]
    return tuple(replace(one, ahead=_compare(one, after)) for one, after in zip(ordered, nexts, strict=True))


def _compare(one: Recommended, after: Recommended | None) -> str | None:
    """The first criterion in which they differ, and how."""
    if after is None:
        return None
    for criterion in CRITERIA:
        if criterion.key(one.standing) != criterion.key(after.standing):
            return f"{criterion.name}: {criterion.describe(one)}; the next: {criterion.describe(after)}"
    return "nothing but its name: the next is its equal by this rule"


def _describe(sized: SizedStudent, why: str, benchmark: str | None) -> Recommended:
    bare = Recommended(sized, why, kept_score(sized.student, benchmark), ())
    reasons = tuple((criterion.name, criterion.describe(bare)) for criterion in CRITERIA)
    return Recommended(bare.sized, bare.why_task, bare.score, reasons)


def _choose_benchmark(students: Sequence[Student], task: Task, asked: str | None) -> str | None:
    """One for all: shares of different benchmarks do not compare."""
    from kdmgr.errors import UsageError

    names = [score.benchmark for student in students for score in student.scores if score.retention]
    if asked is None:
        return shared_benchmark(
            students, lambda score: bool(task.benchmarks and task.benchmarks.search(score.benchmark))
        )
    for name in names:
        if same_benchmark(name, asked):
            return name
    known = ", ".join(list(dict.fromkeys(names))[:8])
    raise UsageError(f"none of these can be compared on {asked}", hint=f"they can on: {known or 'nothing'}")


def _why_left_out(sized: SizedStudent, need: Need, machine: Machine) -> str | None:
    """What speaks against naming it; None when nothing does."""
    student = sized.student
    if student.context_length is not None and student.context_length < need.n_ctx:
        return f"was trained for {format_count(student.context_length)}, and {format_count(need.n_ctx)} are asked for"
    licence = why_not_open(student) if need.open_licence else None
    if licence:
        return licence
    if need.installed and not sized.installed:
        return "is not installed"
    if need.most_parameters is not None and (student.parameters or need.most_parameters + 1) > need.most_parameters:
        return f"has {format_parameters(student.parameters)} parameters"
    if not sized.installed and sized.pull is None:
        return "no file of it is listed that could be pulled"
    good = (*good_verdicts(machine), *((Verdict.PARTIAL, Verdict.CPU) if need.partial else ()))
    if sized.verdict in good:
        return None
    if sized.verdict is Verdict.UNKNOWN:
        return f"cannot be planned: {sized.words}"
    about = "" if sized.planned else "about "
    return f"{sized.verdict.value}: needs {about}{format_bytes(sized.memory_bytes)} at {format_count(sized.n_ctx)}"
