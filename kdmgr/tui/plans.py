"""What is known of every row: its shape, its plan on this machine, or why there is none.

One question holds for all rows (context, KV type), so that a table compares like with like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError, NotFound
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import FitReport, Verdict
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.services.rows import ModelRow

    Assess = Callable[[ModelShape, str, str, Machine, RunOptions], FitReport]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no plan. `verdict` is "too big" only where the listed weights alone say so."""

    reason: str
    hint: str | None = None
    verdict: Verdict = Verdict.UNKNOWN


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

    def set_machine(self, machine: Machine) -> None:
        """The machine has been found, or has changed."""
        self.machine = machine
        self._outdate()

    def ask(self, *, n_ctx: int | None, cache_type: str) -> None:
        """Another question for every row."""
        self.options = replace(self.options, n_ctx=n_ctx, type_k=cache_type, type_v=cache_type)
        self._outdate()

    def forget(self) -> None:
        """Headers may have changed on disk: read them again."""
        self._shapes.clear()
        self._problems.clear()
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

    def judge(self, row: ModelRow) -> FitReport | Problem | None:
        """The row's plan, made now if need be; None while it is still to come."""
        if row.key in self._problems:
            return self._problems[row.key]
        if not row.installed:
            return judge_listed(row, self.machine)
        if row.key not in self._reports:
            known = self._shapes.get(row.key)
            machine = self._machine_of(row.key)
            if known is None or machine is None:
                return None
            self._reports[row.key] = self.assess(known[0], known[1], row.name, machine, self.options)
        return self._reports[row.key]

    def look_up(self, row: ModelRow) -> FitReport | Problem | None:
        """As `judge`, but what has not been planned yet stays None."""
        waiting = row.installed and row.key not in self._reports and row.key not in self._problems
        return None if waiting else self.judge(row)

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

    def _outdate(self) -> None:
        self.version += 1
        self._reports.clear()


def judge_listed(row: ModelRow, machine: Machine | None) -> Problem:
    """A student that is not installed: no header, so no plan; only weights beyond all memory are certain."""
    size = row.size_bytes
    room = None if machine is None else _all_memory(machine)
    if size is not None and room is not None and size > room:
        reason = f"its weights alone take {format_bytes(size)} as listed; this machine has {format_bytes(room)} in all"
        return Problem(reason, verdict=Verdict.TOO_BIG)
    listed = f"listed with {format_bytes(size)}, but " if size is not None else ""
    return Problem(f"{listed}its header has not been read: what it takes beside its weights is unknown")


def _all_memory(machine: Machine) -> int | None:
    """Of the host and its GPUs together, used or free; a unified GPU's memory is the host's."""
    if machine.host.total_bytes is None:
        return None
    own = (device.total_bytes for device in machine.devices if not device.unified)
    return machine.host.total_bytes + sum(own)
