"""The workers of the main screen: nothing here touches a widget, everything is reported as a message.

A thread cannot be stopped from outside, so each report carries what tells whether it is still wanted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual import work
from textual.screen import Screen
from textual.worker import get_current_worker

from kdmgr.errors import KdmgrError
from kdmgr.tui.messages import (
    AssessingDone,
    HeaderFailed,
    HeaderRead,
    MachineFound,
    Planned,
    RowsFailed,
    RowsFound,
)
from kdmgr.tui.messages_students import EnginesDescribed, SizingDone, SpeedsFound, StoryTold, StudentsSized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdmgr.catalog.students import Student
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.fit.plan import FitReport
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.services.rows import ModelRow
    from kdmgr.services.size_estimates import SizedStudent
    from kdmgr.tui.ports import AppServices

_STORY_DELAY = 0.08
"""Seconds that the cursor rests on a row before its story is told."""
_REPORT_EACH = 0.05
"""Seconds between two reports of sizes."""


class AssessingScreen(Screen[None]):
    """A screen that can look at the machine, list the models, read their headers and plan them."""

    def __init__(self, services: AppServices) -> None:
        super().__init__()
        self.services = services
        self.generation = 0
        """Goes up with every refresh."""

    @work(thread=True, exclusive=True, group="machine")
    def find_machine(self, generation: int) -> None:
        """Look at the devices and the host."""
        try:
            machine = self.services.detect_machine()
        except KdmgrError as error:
            self.post_message(MachineFound(generation, None, error))
        else:
            self.post_message(MachineFound(generation, machine))

    @work(thread=True, exclusive=True, group="rows")
    def find_rows(self, generation: int) -> None:
        """List the models on this disk, and the catalog."""
        try:
            rows = self.services.model_rows()
        except KdmgrError as error:
            self.post_message(RowsFailed(generation, "disk", error))
        else:
            self.post_message(RowsFound(generation, "disk", rows))

    @work(exclusive=True, group="server")
    async def find_server_rows(self, generation: int) -> None:
        """List the models of a server."""
        try:
            rows = await self.services.server_rows()
        except KdmgrError as error:
            self.post_message(RowsFailed(generation, "server", error))
        else:
            self.post_message(RowsFound(generation, "server", rows))

    @work(thread=True, exclusive=True, group="assess")
    def read_headers(self, generation: int, rows: Sequence[ModelRow]) -> None:
        """Read the headers of `rows`, one after the other."""
        worker = get_current_worker()
        for row in rows:
            if worker.is_cancelled:
                return
            try:
                shape, source = self.services.open_shape(row)
                machine = self.services.machine_elsewhere(source)
            except KdmgrError as error:
                self.post_message(HeaderFailed(generation, row.key, error, row.origin == "server"))
            else:
                self.post_message(HeaderRead(generation, row.key, shape, source, machine))
        self.post_message(AssessingDone(generation))

    @work(thread=True, exclusive=True, group="plan")
    def plan_rows(
        self,
        version: int,
        waiting: Sequence[tuple[ModelRow, ModelShape, str, Machine]],
        options: RunOptions,
        delay: float,
    ) -> None:
        """Plan rows under a new question, unless the next one comes within `delay` seconds."""
        worker = get_current_worker()
        time.sleep(delay)
        for row, shape, source, machine in waiting:
            if worker.is_cancelled:
                return
            report = self.services.assess(shape, source, row.name, machine, options)
            self.post_message(Planned(version, row.key, report))
            # The screen draws in the same interpreter: let it.
            time.sleep(0.001)
        self.post_message(AssessingDone(self.generation))

    @work(thread=True, exclusive=True, group="size")
    def size_students(
        self, version: int, students: Sequence[Student], machine: Machine, options: RunOptions, delay: float
    ) -> None:
        """Size students that are not installed, unless the next question comes within `delay` seconds."""
        worker = get_current_worker()
        time.sleep(delay)
        if worker.is_cancelled:
            return
        sized: dict[str, SizedStudent] = {}
        reported = time.monotonic()
        for student, answer in self.services.student_desk.size(students, machine, options):
            if worker.is_cancelled:
                return
            sized[student.id] = answer
            if time.monotonic() - reported > _REPORT_EACH:
                self.post_message(StudentsSized(version, sized))
                sized, reported = {}, time.monotonic()
                # The screen draws in the same interpreter: let it.
                time.sleep(0.005)
        self.post_message(StudentsSized(version, sized))
        self.post_message(SizingDone(version))

    @work(thread=True, exclusive=True, group="speeds")
    def find_speeds(self, generation: int, names: Sequence[str], machine: Machine) -> None:
        """Look up how fast installed models have answered here."""
        speeds = self.services.student_desk.measured(names, machine)
        if speeds:
            self.post_message(SpeedsFound(generation, speeds))

    @work(thread=True, exclusive=True, group="story")
    def tell_story(
        self, version: int, row: ModelRow, report: FitReport | None, machine: Machine, options: RunOptions
    ) -> None:
        """Tell of the selected row's student, unless the cursor goes on at once."""
        worker = get_current_worker()
        time.sleep(_STORY_DELAY)
        if worker.is_cancelled:
            return
        story = self.services.student_desk.tell(row, report, machine, options)
        self.post_message(StoryTold(version, row.key, story))

    @work(thread=True, exclusive=True, group="engines")
    def describe_engines(self) -> None:
        """What would run models here."""
        try:
            self.post_message(EnginesDescribed(self.services.student_desk.describe_engines()))
        except KdmgrError as error:
            self.post_message(EnginesDescribed(error.message))
