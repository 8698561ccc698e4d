"""The whole story of a row's student on one machine: lineage, what it kept, its quants, and its teacher beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.catalog.shapes import find_student_shape
from kdmgr.fit.brief import assess_briefly
from kdmgr.fit.plan import Verdict
from kdmgr.gguf.published import read_published
from kdmgr.gguf.quantising import QUANTS
from kdmgr.refs import find_quant
from kdmgr.services.lineage import LineageStory, tell_lineage
from kdmgr.services.teachers import TeacherFit, fit_teacher, options_of

if TYPE_CHECKING:
    from kdmgr.catalog.load import Catalog
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.fit.plan import FitReport, Speed
    from kdmgr.services.rows import ModelRow


@dataclass(frozen=True, slots=True)
class QuantRung:
    """One quant of the student. Sizes in bytes; None is unknown."""

    quant: str
    weights: int | None
    memory: int | None
    """With the cache and all else; None where only the size of the file is known."""
    verdict: Verdict
    speed: Speed | None = None
    tag: str | None = None
    """The name in Ollama's library that has this quant."""
    is_here: bool = False
    """Whether it is the quant of the row itself."""


@dataclass(frozen=True, slots=True)
class StudentStory:
    """What the panel tells of a student."""

    lineage: LineageStory
    teacher: TeacherFit
    quants: tuple[QuantRung, ...]
    """From the smallest; empty where neither a shape nor a listed tag is known."""
    quants_basis: str | None
    """What their figures follow from."""
    is_parent: bool = False
    """Whether the row is only derived from this student."""


def tell_story(
    catalog: Catalog, row: ModelRow, report: FitReport | None, machine: Machine, options: RunOptions
) -> StudentStory | None:
    """The story of the student that `row` is or is derived from; None for what is no student. Pure arithmetic."""
    if row.match is None:
        return None
    student = row.match.student
    lineage = tell_lineage(student, catalog)
    quants, basis = _climb(lineage, row, machine, options)
    asked = options if report is None else options_of(report)
    return StudentStory(
        lineage, fit_teacher(student, machine, asked), tuple(quants), basis, row.match.relation != "itself"
    )


def _climb(
    lineage: LineageStory, row: ModelRow, machine: Machine, options: RunOptions
) -> tuple[Iterable[QuantRung], str | None]:
    """Every usual quant by the published shape; without one the listed tags, by their size alone."""
    student = lineage.student
    tags = {quant: tag for tag in reversed(student.ollama) if (quant := find_quant(tag.tag))}
    found = find_student_shape(student, lineage.chain)
    if found is None:
        listed = [
            QuantRung(quant, tag.size_bytes, None, Verdict.UNKNOWN, None, tag.tag, quant == row.quant)
            for quant, tag in tags.items()
        ]
        return sorted(listed, key=lambda rung: rung.weights or 0), "sizes as listed" if listed else None
    rungs = []
    for quant in QUANTS:
        shape = read_published(found.shape, quant)
        brief = assess_briefly(shape, machine, options)
        tag_name = tags[quant].tag if quant in tags else None
        weights, is_here = shape.weights.total, quant == row.quant
        rungs.append(QuantRung(quant, weights, brief.memory, brief.verdict, brief.speed, tag_name, is_here))
    return sorted(rungs, key=lambda rung: rung.weights or 0), f"planned from the published shape of {found.of}"
