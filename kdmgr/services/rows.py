"""One line of the table of students: a model, installed or only known of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.catalog.match import Match
from kdmgr.errors import NotFound
from kdmgr.fit.plan import FitReport
from kdmgr.refs import ModelRef

if TYPE_CHECKING:
    from kdmgr.services.finding import FoundModel


@dataclass(frozen=True, slots=True)
class ModelRow:
    """What can be said without opening a file."""

    key: str
    """Stable and unique: the origin and the name."""
    name: str
    ref: ModelRef | None
    """How to open it; None for a student that no reference is known for."""
    origin: str
    """"kdmgr" (its own store), "ollama" (Ollama's store on this disk), "server" or "catalog"."""
    size_bytes: int | None
    """Of the installed model, or as its publisher lists it."""
    parameters: int | None
    quant: str | None
    n_ctx_train: int | None
    match: Match | None
    """The student it is, or was made from."""

    @property
    def installed(self) -> bool:
        """Whether it is on a disk already."""
        return self.origin != "catalog"

    @property
    def teacher(self) -> str | None:
        """Who taught it, if that is known."""
        return self.match.student.lineage.teacher.name if self.match else None

    @property
    def teacher_words(self) -> str | None:
        """The same; said to be the parent's where the model is derived from a student."""
        if self.match is None or self.match.relation == "itself":
            return self.teacher
        return f"{self.teacher} (of its parent)"


@dataclass(frozen=True, slots=True)
class Assessment:
    """A fit report, and the student that the model is or was made from."""

    report: FitReport
    match: Match | None
    found: FoundModel | None = None
    """Where the model is; None for one that was planned from its shape."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must be told of the figures, and of where they are from."""
        from kdmgr.services.planning import planned_for

        found = self.found.notes if self.found else ()
        return (*found, *planned_for(self.report.machine), *self.report.options.notes)


def require_ref(row: ModelRow) -> ModelRef:
    """How to open the model of `row`; `NotFound` when nobody knows."""
    if row.ref is None:
        raise NotFound(f"no reference is known for {row.name}", hint="import a GGUF file of it")
    return row.ref
