"""Whom a model could be compared with: its teacher, what it was made from, other quants, anything installed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError
from kdmgr.refs import ModelRef, OllamaRef, parse_ollama_name

if TYPE_CHECKING:
    from kdmgr.catalog.students import Teacher
    from kdmgr.services.rows import ModelRow


@dataclass(frozen=True, slots=True)
class Opponent:
    """A model to compare with. `row` is None for one that is not installed: `hint` says how it can be had."""

    name: str
    why: str
    row: ModelRow | None
    hint: str = ""


def propose_opponents(row: ModelRow, rows: Iterable[ModelRow]) -> list[Opponent]:
    """The most telling ones first; the model itself comes last, which shows whether it repeats itself."""
    installed = [other for other in rows if other.installed and other.ref is not None and other.key != row.key]
    ranked = [(_rank(row, other), other) for other in installed]
    ranked.sort(key=lambda found: (found[0][0], found[1].name.casefold()))
    found = [Opponent(other.name, why, other) for (_, why), other in ranked]
    teacher = [] if any(rank == 0 for (rank, _), _ in ranked) else list(_absent_teacher(row))
    return [*teacher, *found, Opponent(row.name, "the same model again", row)]


def _rank(row: ModelRow, other: ModelRow) -> tuple[int, str]:
    akin = bool(row.match and other.match and row.match.student.id == other.match.student.id)
    # A model may have taught itself: its copies are no teachers.
    if row.match and not akin and is_teacher(other, row.match.student.lineage.teacher):
        return 0, "its teacher"
    if row.match and other.match and akin:
        if row.match.relation != other.match.relation:
            return 1, "made from it" if other.match.relation == "derived" else "what it was made from"
        return 2, _describe_twin(row, other)
    if other.match and is_teacher(row, other.match.student.lineage.teacher):
        return 1, "a student of it"
    if isinstance(row.ref, OllamaRef) and isinstance(other.ref, OllamaRef) and row.ref.key[:3] == other.ref.key[:3]:
        return 2, _describe_twin(row, other)
    return 3, "installed"


def _describe_twin(row: ModelRow, other: ModelRow) -> str:
    return f"another quant: {other.quant}" if other.quant and row.quant != other.quant else "another copy of it"


def is_teacher(row: ModelRow, teacher: Teacher) -> bool:
    """Whether the row's model is `teacher`: by its name in Ollama's library, or by its repository."""
    repo = row.match.student.hf_repo if row.match and row.match.relation == "itself" else None
    if repo is not None and teacher.hf_repo is not None and repo.casefold() == teacher.hf_repo.casefold():
        return True
    return teacher.ollama is not None and _is_called(row.ref, teacher.ollama)


def _is_called(ref: ModelRef | None, name: str) -> bool:
    try:
        return isinstance(ref, OllamaRef) and ref.key == parse_ollama_name(name).key
    except KdmgrError:
        return False


def _absent_teacher(row: ModelRow) -> Iterator[Opponent]:
    """The teacher by name, where it could be had but is not here."""
    if row.match is None:
        return
    teacher = row.match.student.lineage.teacher
    source = teacher.ollama or (f"hf.co/{teacher.hf_repo}" if teacher.hf_repo else None)
    if source is not None:
        yield Opponent(teacher.name, "its teacher, not installed", None, f"kdmgr pull {source}")
