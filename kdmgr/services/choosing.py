"""Choosing students: filters, and orders that say by what they sort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kdmgr.catalog.licences import why_not_open
from kdmgr.catalog.retention import retain_by, same_benchmark, shared_benchmark
from kdmgr.catalog.students import METHODS, Score, Student
from kdmgr.catalog.tasks import TASKS, why_task
from kdmgr.errors import UsageError
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import Speed, Verdict

if TYPE_CHECKING:
    from kdmgr.catalog.tasks import Task
    from kdmgr.fit.machine import Machine
    from kdmgr.services.app import Services
    from kdmgr.services.size_estimates import SizedStudent

USUAL_CONTEXT = 8192
"""Tokens to size for when nobody says: a conversation with some room."""
SORTS = ("name", "retention", "speed", "size", "context", "released")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a student has to be; None is no wish. Sizes in bytes."""

    search: str | None = None
    """In its names, tags, family or teacher."""
    task: str | None = None
    method: str | None = None
    teacher: str | None = None
    licence: str | None = None
    """A part of the licence's name; or "open"."""
    modality: str | None = None
    least_size: int | None = None
    most_size: int | None = None
    least_parameters: int | None = None
    most_parameters: int | None = None
    least_context: int | None = None
    """Tokens it was trained for."""
    fits: bool = False
    """All of it on the GPUs; on a machine without one, in host memory."""
    installed: bool = False
    sort: str = "name"
    benchmark: str | None = None
    """For the order by retention; None for the one that most of those shown were measured on."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The students that pass, in order, and by what they are ordered."""

    students: tuple[SizedStudent, ...]
    n_all: int
    benchmark: str | None = None
    """Whose retention they are sorted by."""
    notes: tuple[str, ...] = field(default=())
    """What a reader must be told of the choice."""


def choose(services: Services, wish: Wish, machine: Machine | None, n_ctx: int = USUAL_CONTEXT) -> Chosen:
    """The students that meet `wish`, sized for `machine` where one is named. Asks nobody over the network."""
    from kdmgr.services.sizing import Sizer

    _check(wish, machine)
    candidates = [student for student in services.catalog if meets(student, wish)]
    sizer = Sizer(services, machine, RunOptions(n_ctx=n_ctx))
    sized = [one for one in map(sizer.size, candidates) if _meets_sized(one, wish, machine)]
    benchmark = _find_benchmark([one.student for one in sized], wish) if wish.sort == "retention" else None
    ordered = sort_sized(sized, wish.sort, benchmark)
    return Chosen(tuple(ordered), len(services.catalog), benchmark, tuple(_notes(ordered, wish, benchmark)))


def meets(student: Student, wish: Wish) -> bool:
    """Whether the entry meets what can be judged without a machine. What is unknown meets no wish."""
    lineage = student.lineage
    return (
        (wish.search is None or mentions(student, wish.search))
        and (wish.task is None or why_task(student, require_task(wish.task)) is not None)
        and (wish.method is None or wish.method in lineage.methods)
        and (wish.teacher is None or contains(lineage.teacher.name, wish.teacher))
        and (wish.licence is None or _has_licence(student, wish.licence))
        and (wish.modality is None or contains(student.modality, wish.modality))
        and within(student.parameters, wish.least_parameters, wish.most_parameters)
        and within(student.context_length, wish.least_context, None)
    )


def mentions(student: Student, text: str) -> bool:
    """Whether `text` stands in the student's names, tags, family or teacher."""
    tags = " ".join(tag.tag for tag in student.ollama)
    return contains(f"{student.id} {student.name} {student.family} {tags} {student.lineage.teacher.name}", text)


def contains(text: str | None, part: str) -> bool:
    """Without case; an unknown text contains nothing."""
    return text is not None and part.casefold() in text.casefold()


def within(value: int | None, least: int | None, most: int | None) -> bool:
    """Whether a value is within bounds; an unknown one is within none."""
    if least is None and most is None:
        return True
    return value is not None and (least is None or value >= least) and (most is None or value <= most)


def require_task(name: str) -> Task:
    """The task of this name; `UsageError` for none."""
    task = TASKS.get({"math": "maths", "coding": "code", "embeddings": "embedding"}.get(name.lower(), name.lower()))
    if task is None:
        raise UsageError(f"no such task: {name!r}", hint=f"one of {', '.join(TASKS)}")
    return task


def sort_sized(sized: Iterable[SizedStudent], by: str, benchmark: str | None = None) -> list[SizedStudent]:
    """In one of the orders `SORTS`: the best, fastest, longest or newest first, the smallest first; unknown last."""
    keys: dict[str, Callable[[SizedStudent], Any]] = {
        "name": lambda one: one.student.id,
        "retention": lambda one: _falling(kept(one.student, benchmark)),
        "speed": lambda one: _falling(pace(one.speed)),
        "size": lambda one: (one.size_bytes is None, one.size_bytes or 0),
        "context": lambda one: _falling(one.student.context_length),
        "released": lambda one: _falling(int((one.student.released or "").replace("-", "") or 0) or None),
    }
    return sorted(sorted(sized, key=keys["name"]), key=keys[by])


def pace(speed: Speed | None) -> float | None:
    """The figure to sort by: what is expected, else the bound."""
    return None if speed is None else speed.decode_tok_s or speed.high_tok_s


def kept_score(student: Student, benchmark: str | None) -> Score | None:
    """The score on `benchmark` that can be divided by its teacher's."""
    found = retain_by(student, benchmark)
    return found.score if found is not None and found.share is not None else None


def kept(student: Student, benchmark: str | None) -> float | None:
    """The student's share of its teacher's score on one benchmark; None where they were not measured alike."""
    score = kept_score(student, benchmark)
    return score.retention if score else None


def good_verdicts(machine: Machine) -> tuple[Verdict, ...]:
    """The verdicts that count as fitting: all on the GPUs, or in host memory where there are none."""
    return (Verdict.FITS, Verdict.TIGHT) if machine.devices else (Verdict.CPU,)


def _check(wish: Wish, machine: Machine | None) -> None:
    if machine is None and (wish.fits or wish.sort == "speed"):
        raise ValueError("what fits, and how fast, is a question about a machine")
    if wish.method is not None and wish.method not in METHODS:
        raise UsageError(f"no such method: {wish.method!r}", hint=f"one of {', '.join(METHODS)}")
    if wish.task is not None:
        require_task(wish.task)
    if wish.benchmark is not None and wish.sort != "retention":
        raise UsageError("--benchmark says which retention to sort by", hint="add --sort retention")


def _meets_sized(one: SizedStudent, wish: Wish, machine: Machine | None) -> bool:
    return (
        (not wish.fits or machine is None or one.verdict in good_verdicts(machine))
        and (not wish.installed or bool(one.installed))
        and within(one.size_bytes, wish.least_size, wish.most_size)
    )


def _has_licence(student: Student, licence: str) -> bool:
    if licence.casefold() == "open":
        return why_not_open(student) is None
    return contains(student.licence, licence)


def _find_benchmark(students: Sequence[Student], wish: Wish) -> str | None:
    if wish.benchmark is None:
        asked = require_task(wish.task).benchmarks if wish.task else None
        return shared_benchmark(students, lambda score: asked is None or asked.search(score.benchmark) is not None)
    named = [score.benchmark for student in students for score in student.scores]
    for name in named:
        if same_benchmark(name, wish.benchmark):
            return name
    known = ", ".join(name for name, _ in Counter(named).most_common(8))
    raise UsageError(
        f"none of these students was measured on {wish.benchmark}", hint=f"measured on: {known or 'nothing'}"
    )


def _notes(sized: Sequence[SizedStudent], wish: Wish, benchmark: str | None) -> list[str]:
    notes = []
    if wish.sort == "retention":
        if benchmark is None:
            notes.append("none of these has a score beside its teacher's from one source, so nothing is sorted by")
        else:
            known = sum(kept(one.student, benchmark) is not None for one in sized)
            why = "as asked" if wish.benchmark else "the one that most of these share"
            notes.append(f"sorted by what is kept of the teacher's score on {benchmark} ({why}): known of {known}")
    return notes


def _falling(value: float | None) -> tuple[bool, float]:
    return value is None, -(value or 0)
