"""The desk of students without disks: the shipped catalog, real estimates and plans, removals that are written down."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field

from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.students import Student
from kdmgr.errors import KdmgrError, NotFound
from kdmgr.fit.machine import Machine
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import FitReport, Speed
from kdmgr.refs import parse_ollama_name
from kdmgr.services.memory import Stopped
from kdmgr.services.removal import Removal
from kdmgr.services.removing import Freed, Removed
from kdmgr.services.rows import ModelRow
from kdmgr.services.size_estimates import SizedStudent, estimate
from kdmgr.services.stock import Held
from kdmgr.services.student_story import StudentStory, tell_story
from kdmgr.services.teacher_ladder import TeacherLadder


@dataclass
class FakeDesk:
    """A `StudentDesk`."""

    speeds: dict[str, Speed] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    unloaded: list[str] = field(default_factory=list)
    error: KdmgrError | None = None
    """Raised by the next removal or unloading."""
    engines: str = "Ollama on this machine does not answer; kdmgr's own engine runs what you pull."
    ladder: TeacherLadder | None = None
    ladders: list[tuple[str, RunOptions]] = field(default_factory=list)
    sized: list[RunOptions] = field(default_factory=list)

    def size(
        self, students: Sequence[Student], machine: Machine, options: RunOptions
    ) -> Iterator[tuple[Student, SizedStudent]]:
        self.sized.append(options)
        for student in students:
            yield student, estimate(student, machine, options)

    def measured(self, names: Sequence[str], machine: Machine) -> dict[str, Speed]:
        return {name: speed for name, speed in self.speeds.items() if name in names}

    def tell(
        self, row: ModelRow, report: FitReport | None, machine: Machine, options: RunOptions
    ) -> StudentStory | None:
        return tell_story(load_catalog(), row, report, machine, options)

    def build_ladder(self, text: str, options: RunOptions) -> TeacherLadder:
        self.ladders.append((text, options))
        if self.ladder is None:
            raise NotFound(f"no teacher is called {text!r}", hint="`kdmgr ladder` lists the teachers")
        return self.ladder

    def describe_engines(self) -> str:
        return self.engines

    def plan_removal(self, rows: Sequence[ModelRow]) -> Removal:
        held = tuple(Held(parse_ollama_name(row.name), "kdmgr", "0" * 64, row.size_bytes or 0, None) for row in rows)
        size = sum(each.size for each in held)
        return Removal(held, Freed(size, size), None)

    async def remove(self, removal: Removal) -> AsyncGenerator[Removed, None]:
        for held in removal.chosen:
            if self.error is not None:
                raise self.error
            self.removed.append(held.name)
            yield Removed(held)

    async def unload(self, names: Sequence[str]) -> AsyncGenerator[Stopped, None]:
        if self.error is not None:
            raise self.error
        for name in names:
            self.unloaded.append(name)
            yield Stopped(name, gone=True)
