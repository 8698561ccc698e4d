"""What is known of every row: its plan on this machine, what it is estimated to take, or why neither is known.

One question holds for all rows (context, KV type), so that a table compares like with like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from kdmgr.errors import KdmgrError, NotFound
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import FitReport, Speed, Verdict
from kdmgr.services.size_estimates import SizedStudent

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.services.rows import ModelRow

    Assess = Callable[[ModelShape, str, str, Machine, RunOptions], FitReport]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no plan."""

    reason: str
    hint: str | None = None
    verdict: Verdict = Verdict.UNKNOWN
    speed: Speed | None = None


Judged: TypeAlias = FitReport | SizedStudent | Problem | None
"""None while the answer is still to come."""
Judge: TypeAlias = "Callable[[ModelRow], Judged]"


def report_of(judged: Judged) -> FitReport | None:
    """The plan, where there is one: of a file's own header, or of a shape that was published."""
    return judged.report if isinstance(judged, SizedStudent) else judged if isinstance(judged, FitReport) else None


def speed_of(judged: Judged) -> Speed | None:
    """What it is expected, measured or bound to run at."""
    return None if judged is None else judged.speed


def size_of(row: ModelRow, judged: Judged) -> int | None:
    """Bytes of the file: as it is, as it is listed, or as it is estimated."""
    return judged.size_bytes if row.size_bytes is None and isinstance(judged, SizedStudent) else row.size_bytes


def context_of(row: ModelRow, judged: Judged) -> int | None:
    """Tokens it was trained for: as listed, else as its header says, once that was read."""
    report = report_of(judged) if row.n_ctx_train is None else None
    return report.shape.n_ctx_train if report else row.n_ctx_train


@dataclass
class Plans:
    """Shapes by row, and their plans under the present question. Stale plans are not kept."""

    assess: Assess
    machine: Machine | None = None
    options: RunOptions = field(default_factory=RunOptions)
    version: int = 0
    """Goes up with every change of machine or question."""
    _shapes: dict[str, tuple[ModelShape, str, Machine | None]] = field(default_factory=dict)
    _problems: dict[str, Problem] = field(default_factory=dict)
    _reports: dict[str, FitReport] = field(default_factory=dict)
    _sized: dict[str, SizedStudent] = field(default_factory=dict)
    """By the students' ids."""
    _speeds: dict[str, Speed] = field(default_factory=dict)
    """Measured here, by the models' names."""
    _no_machine: Problem | None = None

    def set_machine(self, machine: Machine) -> None:
        """The machine has been found, or has changed."""
        self.machine, self._no_machine = machine, None
        self._outdate()

    def miss_machine(self, error: KdmgrError | None) -> None:
        """The machine could not be looked at: nothing can be planned."""
        why = error.message if error else "no reason is known"
        self._no_machine = Problem(f"this machine could not be looked at: {why}", error.hint if error else None)

    def ask(self, *, n_ctx: int | None, cache_type: str) -> None:
        """Another question for every row."""
        self.options = replace(self.options, n_ctx=n_ctx, type_k=cache_type, type_v=cache_type)
        self._outdate()

    def forget(self) -> None:
        """Headers may have changed on disk: read them again."""
        self._shapes.clear()
        self._problems.clear()
        self._speeds.clear()
        self._outdate()

    def add_shape(self, key: str, shape: ModelShape, source: str, elsewhere: Machine | None = None) -> None:
        """The header of a row has been read; `elsewhere` is the other computer that would run it."""
        self._shapes[key] = (shape, source, elsewhere)

    def add_problem(self, key: str, error: KdmgrError, *, on_server: bool = False) -> None:
        """The header of a row cannot be read; that of a server's model usually is not on this disk."""
        if on_server and isinstance(error, NotFound):
            self._problems[key] = Problem("its file is the server's: what it takes here cannot be derived")
        else:
            self._problems[key] = Problem(error.message, error.hint)

    def add_report(self, key: str, version: int, report: FitReport) -> None:
        """A plan that was made elsewhere, dropped if the question has changed meanwhile."""
        if version == self.version:
            self._reports[key] = report

    def add_sized(self, version: int, sized: Mapping[str, SizedStudent]) -> None:
        """What students would take, by their ids; dropped if the question has changed meanwhile."""
        if version == self.version:
            self._sized.update(sized)

    def add_speeds(self, speeds: Mapping[str, Speed]) -> None:
        """What was measured here, by the names of models."""
        self._speeds.update(speeds)

    def judge(self, row: ModelRow) -> Judged:
        """The row's plan, made now if need be; None while it is still to come."""
        if row.installed and row.key not in self._reports and row.key not in self._problems:
            known, machine = self._shapes.get(row.key), self._machine_of(row.key)
            if known is not None and machine is not None:
                self._reports[row.key] = self.assess(known[0], known[1], row.name, machine, self.options)
        elif not row.installed and row.match is not None:
            self._plan_published(row.match.student.id, row.name)
        return self.look_up(row)

    def look_up(self, row: ModelRow) -> Judged:
        """As `judge`, but what has not been planned yet stays None."""
        if not row.installed:
            sized = self._sized.get(row.match.student.id) if row.match else None
            return sized or self._no_machine
        problem = self._problems.get(row.key)
        if problem is not None:
            return problem
        report = self._reports.get(row.key)
        if report is None:
            return self._no_machine
        measured = self._speeds.get(row.name)
        return report if measured is None else replace(report, speed=measured)

    def waiting(self) -> list[tuple[str, ModelShape, str, Machine]]:
        """Rows whose header and machine are known, but not their plan."""
        return [
            (key, shape, source, machine)
            for key, (shape, source, _) in self._shapes.items()
            if key not in self._reports and (machine := self._machine_of(key)) is not None
        ]

    def _machine_of(self, key: str) -> Machine | None:
        """That which would run the row's model: nothing of this machine is taken for another's."""
        known = self._shapes.get(key)
        return known[2] if known is not None and known[2] is not None else self.machine

    def _plan_published(self, student_id: str, name: str) -> None:
        """Lay a student's published shape out in full: for the one that is looked at."""
        sized = self._sized.get(student_id)
        if sized is not None and sized.report is None and sized.shape is not None and self.machine is not None:
            report = self.assess(sized.shape, sized.words, name, self.machine, self.options)
            self._sized[student_id] = replace(sized, report=report)

    def _outdate(self) -> None:
        self.version += 1
        self._reports.clear()
        self._sized.clear()
