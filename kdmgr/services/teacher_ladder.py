"""The ladder of a teacher: all its students by size, what each kept, and the highest that runs here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from kdmgr.catalog.chain import Link, walk_chain
from kdmgr.catalog.names import split_words
from kdmgr.catalog.retention import Retention, retain_by, shared_benchmark
from kdmgr.catalog.students import Grade, Score, Student
from kdmgr.catalog.teachers import MODEL, TeacherFacts, find_teachers, load_teachers, match_teachers, taught_by
from kdmgr.errors import NotFound
from kdmgr.fit.plan import Verdict
from kdmgr.services.lineage import find_student
from kdmgr.services.size_estimates import SizedStudent
from kdmgr.services.sizing import Sizer
from kdmgr.services.teachers import TeacherFit, fit_facts

if TYPE_CHECKING:
    from kdmgr.catalog.load import Catalog
    from kdmgr.fit.options import RunOptions
    from kdmgr.services.app import Services

N_CTX = 8192
"""The context that rungs are compared at unless another is asked for."""
_BEST_FIRST = (Verdict.FITS, Verdict.TIGHT, Verdict.PARTIAL, Verdict.CPU)


@dataclass(frozen=True, slots=True)
class Rung:
    """One student of the teacher."""

    student: Student
    chain: tuple[Link, ...]
    """What it was made from, and that from."""
    size: SizedStudent
    retention: Retention | None
    """By the ladder's benchmark; None without a score of it."""

    @property
    def is_inherited(self) -> bool:
        """Whether it was made from another student: that one's teacher taught it too, at second hand."""
        return any(link.student is not None for link in self.chain)


@dataclass(frozen=True, slots=True)
class TeacherLadder:
    """The students from the smallest to the largest."""

    asked: str
    by_family: bool
    """Whether no teacher has this name, but a family of students."""
    asked_student: Student | None
    """The student that was named instead of its teacher."""
    teachers: tuple[TeacherFit, ...]
    rungs: tuple[Rung, ...]
    benchmark: str | None
    """What `Rung.retention` goes by: the one that most of them share; None where none has any."""
    n_ctx: int
    highest: Rung | None
    """The largest that runs best here; None when none is known to run."""

    @property
    def n_retained(self) -> int:
        """How many students have a share by the benchmark."""
        return sum(rung.retention is not None and rung.retention.share is not None for rung in self.rungs)


@dataclass(frozen=True, slots=True)
class TeacherRow:
    """One teacher of the catalog, and how many it taught."""

    facts: TeacherFacts
    n_students: int


def list_teachers(catalog: Catalog) -> list[TeacherRow]:
    """Every teacher, those with most students first; last those that are no model of their own."""
    students = list(catalog)
    rows = [TeacherRow(facts, sum(taught_by(facts, each) for each in students)) for facts in load_teachers()]
    return sorted(rows, key=lambda row: (row.facts.kind != MODEL, -row.n_students, row.facts.name.casefold()))


def build_ladder(services: Services, text: str, options: RunOptions, quant: str | None) -> TeacherLadder:
    """The ladder of the teacher that `text` names, on the machine to plan for. `NotFound` with what is like it.

    A text that names a student gives the ladder that it stands on; one that names a family of students (`gemma`)
    gives that family, whoever taught it. Reads headers of installed models; asks nobody over the network.
    """
    catalog = services.catalog
    facts, students, asked_student = _choose(catalog, text)
    named = bool(facts)
    if not students:
        raise NotFound(f"no teacher is called {text!r}", hint=_suggest(text))
    facts = facts or [each for each in load_teachers() if any(taught_by(each, student) for student in students)]
    asked = replace(options, n_ctx=options.n_ctx or N_CTX)
    machine = services.machine_of("catalog")
    sizes = Sizer(services, machine, asked, quant)
    names = {split_words(name) for each in facts if each.kind == MODEL for name in each.names}
    counts = partial(_is_against, names)
    benchmark = shared_benchmark(students, counts)
    rungs = []
    for student in students:
        chain = walk_chain(student, catalog)
        rungs.append(Rung(student, chain, sizes.size(student), retain_by(student, benchmark, counts)))
    return TeacherLadder(
        asked=text,
        by_family=not named,
        asked_student=asked_student,
        teachers=tuple(fit_facts(each, machine, asked) for each in facts if each.kind == MODEL or len(facts) == 1),
        rungs=tuple(sorted(rungs, key=_place)),
        benchmark=benchmark,
        n_ctx=asked.n_ctx or N_CTX,
        highest=find_highest(rungs),
    )


def find_highest(rungs: Iterable[Rung]) -> Rung | None:
    """Of those with the best verdict the largest; estimated ones count only where none is planned.

    Of equals one taught by the teacher itself, the best documented, then the one that kept most. Where only a part
    fits the GPU, the smallest.
    """
    rungs = list(rungs)
    rungs = [rung for rung in rungs if rung.size.planned] or rungs
    for verdict in _BEST_FIRST:
        alike = [rung for rung in rungs if rung.size.verdict is verdict]
        if alike:
            sign = -1 if verdict is Verdict.PARTIAL else 1
            return max(alike, key=lambda rung: (sign * (rung.student.parameters or 0), *_merits(rung)))
    return None


def _merits(rung: Rung) -> tuple[bool, bool, float]:
    share = rung.retention.share if rung.retention else None
    return not rung.is_inherited, rung.student.lineage.grade is Grade.DOCUMENTED, share or 0.0


def _choose(catalog: Catalog, text: str) -> tuple[list[TeacherFacts], list[Student], Student | None]:
    """The teachers that are meant, their students, and the student that was named in their stead."""
    teachers, student = match_teachers(text, list(load_teachers())), None
    if not teachers:
        student = find_student(catalog, text)
        teachers = [facts for facts in find_teachers(student) if facts.kind == MODEL] if student else []
    if teachers:
        return teachers, [each for each in catalog if any(taught_by(facts, each) for facts in teachers)], student
    wanted = split_words(text)
    return [], [each for each in catalog if wanted and _bears(each, wanted)], None


def _bears(student: Student, wanted: tuple[str, ...]) -> bool:
    """Whether the words stand together in the student's name, family, id or a tag."""
    tags = (tag.tag for tag in student.ollama)
    for name in filter(None, (student.name, student.family, student.id, student.hf_repo, *tags)):
        words = split_words(name)
        if any(words[at : at + len(wanted)] == wanted for at in range(len(words))):
            return True
    return (student.family or "").startswith("".join(wanted))


def _place(rung: Rung) -> tuple[int, str, int, str]:
    """By size; of one size, students of a student below the one they were made from."""
    behind = [link.student for link in rung.chain if link.student is not None]
    root = behind[-1] if behind else rung.student
    size = rung.student.parameters or 0
    family = root if (root.parameters or 0) == size else rung.student
    return size, family.name.casefold(), len(behind), rung.student.name.casefold()


def _is_against(names: set[tuple[str, ...]], score: Score) -> bool:
    """Whether the score was held against one of these teachers, and not against a third model."""
    words = split_words(score.teacher_name or "")
    return any(words[: len(name)] == name for name in names if name)


def _suggest(text: str) -> str:
    import difflib

    names = {name.casefold(): facts.id for facts in load_teachers() for name in facts.names}
    close = difflib.get_close_matches(text.casefold(), names, 3, 0.5)
    shown = ", ".join(dict.fromkeys(names[each] for each in close))
    return f"did you mean {shown}?" if shown else "`kdmgr ladder` lists the teachers"
