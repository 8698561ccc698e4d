"""What the table of students and its panel ask: sizes, speeds, lineage, what a removal frees."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from kdmgr.catalog.students import Student
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.fit.plan import FitReport, Speed
    from kdmgr.services.app import Services
    from kdmgr.services.memory import Stopped
    from kdmgr.services.removal import Removal
    from kdmgr.services.removing import Removed
    from kdmgr.services.rows import ModelRow
    from kdmgr.services.size_estimates import SizedStudent
    from kdmgr.services.student_story import StudentStory
    from kdmgr.services.teacher_ladder import TeacherLadder


class StudentDesk:
    """Each question is one of `kdmgr`'s commands too. All but `remove` and `unload` block on the disk."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def size(
        self, students: Sequence[Student], machine: Machine, options: RunOptions
    ) -> Iterator[tuple[Student, SizedStudent]]:
        """What each would take; asks nobody over the network."""
        from kdmgr.services.sizing import Sizer

        sizer = Sizer(self._services, machine, options)
        for student in students:
            yield student, sizer.size(student)

    def measured(self, names: Sequence[str], machine: Machine) -> dict[str, Speed]:
        """How fast these installed models have answered here; those without an answer are left out."""
        from kdmgr.services.measured import measured_speed

        found = ((name, measured_speed(self._services, name, machine)) for name in names)
        return {name: speed for name, speed in found if speed is not None}

    def tell(
        self, row: ModelRow, report: FitReport | None, machine: Machine, options: RunOptions
    ) -> StudentStory | None:
        """Lineage, retention, quants and teacher of the student that a model is, or is derived from."""
        from kdmgr.services.student_story import tell_story

        return tell_story(self._services.catalog, row, report, machine, options)

    def build_ladder(self, text: str, options: RunOptions) -> TeacherLadder:
        """The ladder of a teacher. `NotFound` where there is none."""
        from kdmgr.services.teacher_ladder import build_ladder

        return build_ladder(self._services, text, options, None)

    def describe_engines(self) -> str:
        """A sentence for whether an Ollama server answers, and what runs models otherwise. Blocks on the network."""
        from kdmgr.services.welcome import describe_engines

        return describe_engines(self._services)

    def plan_removal(self, rows: Sequence[ModelRow]) -> Removal:
        """What removing these would free. Blocks on the network; not for a running event loop."""
        from kdmgr.services.removal import plan_removal

        return plan_removal(self._services, rows)

    def remove(self, removal: Removal) -> AsyncGenerator[Removed, None]:
        """Remove one after another, and tell each that is gone."""
        from kdmgr.services.removing import remove_models

        return remove_models(self._services, removal.chosen)

    def unload(self, names: Sequence[str]) -> AsyncGenerator[Stopped, None]:
        """Free the memory of models that the server holds. `NotFound` for one that it does not."""
        from kdmgr.services.memory import stop_models

        return stop_models(self._services, names)
