"""What the table of students needs of the services beside the rows themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from kdmgr.catalog.students import Student
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.fit.plan import FitReport, Speed
    from kdmgr.services.memory import Stopped
    from kdmgr.services.removal import Removal
    from kdmgr.services.removing import Removed
    from kdmgr.services.rows import ModelRow
    from kdmgr.services.size_estimates import SizedStudent
    from kdmgr.services.student_story import StudentStory
    from kdmgr.services.teacher_ladder import TeacherLadder


class StudentDesk(Protocol):
    """All but `remove` and `unload` block, and are called from threads."""

    def size(
        self, students: Sequence[Student], machine: Machine, options: RunOptions
    ) -> Iterator[tuple[Student, SizedStudent]]:
        """What each would take."""

    def measured(self, names: Sequence[str], machine: Machine) -> dict[str, Speed]:
        """How fast models have answered here."""

    def tell(
        self, row: ModelRow, report: FitReport | None, machine: Machine, options: RunOptions
    ) -> StudentStory | None:
        """Lineage, retention, quants and teacher."""

    def build_ladder(self, text: str, options: RunOptions) -> TeacherLadder:
        """The ladder of a teacher."""

    def describe_engines(self) -> str:
        """What would run models here."""

    def plan_removal(self, rows: Sequence[ModelRow]) -> Removal:
        """What removing these would free."""

    def remove(self, removal: Removal) -> AsyncGenerator[Removed, None]:
        """Remove, and tell each that is gone."""

    def unload(self, names: Sequence[str]) -> AsyncGenerator[Stopped, None]:
        """Free the memory of loaded models."""


class StudentServices(Protocol):
    """The part of the services that the table of students calls."""

    @property
    def student_desk(self) -> StudentDesk:
        """What the table and its panel ask."""
