"""The ladder of a teacher: rungs on this machine, the question that moves, and the way back to the table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.screens.ladder import LadderScreen
from kdmgr.tui.screens.students import StudentsScreen
from tests.tui.fakes import FakeServices, catalog_rows
from tests.tui.fakes_ladder import LadderDesk
from tests.tui.looking import screen_text, until


@pytest.fixture
def services(tmp_path: Path) -> FakeServices:
    return FakeServices(rows=catalog_rows(), student_desk=LadderDesk.create(tmp_path))


@asynccontextmanager
async def opened(
    services: FakeServices, text: str, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[tuple[Pilot[None], LadderScreen, StudentsScreen]]:
    app = KdmgrApp(services)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        students = app.screen
        assert isinstance(students, StudentsScreen)
        await until(pilot, lambda: students.rows)
        students.show_ladder(text)
        await until(pilot, lambda: isinstance(app.screen, LadderScreen))
        ladder = app.screen
        assert isinstance(ladder, LadderScreen)
        yield pilot, ladder, students


def _memory(screen: LadderScreen) -> list[int | None]:
    return [rung.size.memory_bytes for rung in screen.ladder.rungs] if screen.ladder else []


async def test_the_cursor_begins_on_the_highest_that_runs(services: FakeServices) -> None:
    async with opened(services, "DeepSeek-R1") as (pilot, screen, _):
        await until(pilot, lambda: screen.ladder and screen.rungs.option_count)
        assert screen.ladder is not None and screen.ladder.highest is not None
        at = screen.rungs.highlighted
        assert at is not None
        assert screen.rungs.get_option_at_index(at).id == screen.ladder.highest.student.id
        await until(pilot, lambda: "▶ the highest that runs here" in screen_text(pilot.app))
        text = screen_text(pilot.app)
        assert "671" in text and "made from" in text and "sequence-level" in text


async def test_another_context_plans_every_rung_anew(services: FakeServices) -> None:
    async with opened(services, "DeepSeek-R1") as (pilot, screen, _):
        await until(pilot, lambda: screen.ladder)
        assert screen.ladder is not None
        before = _memory(screen)
        await pilot.press("right", "v")
        await until(pilot, lambda: _memory(screen) != before)
        options = services.student_desk.ladders[-1][1]
        assert (options.n_ctx, options.type_k) == (16384, "q8_0")
        assert "● q8_0" in screen_text(pilot.app)


async def test_enter_goes_to_the_student_in_the_table(services: FakeServices) -> None:
    async with opened(services, "DeepSeek-R1") as (pilot, screen, students):
        await until(pilot, lambda: screen.ladder and screen.rungs.option_count)
        await pilot.press("k")
        wanted = screen.rungs.get_option_at_index(screen.rungs.highlighted or 0).id
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is students)
        selected = students.table.selected
        assert selected is not None and selected.match is not None
        assert selected.match.student.id == wanted


async def test_escape_leads_back(services: FakeServices) -> None:
    async with opened(services, "DeepSeek-R1") as (pilot, _, students):
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is students)


async def test_without_such_a_teacher_it_says_so() -> None:
    services = FakeServices(rows=catalog_rows(3))
    async with opened(services, "[red]nobody[/]") as (pilot, _, _students):
        await until(pilot, lambda: "no teacher is called" in screen_text(pilot.app))
        assert "[red]nobody[/]" in screen_text(pilot.app)


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (20, 6)])
async def test_every_size_works(services: FakeServices, size: tuple[int, int]) -> None:
    async with opened(services, "DeepSeek-R1", size) as (pilot, screen, _):
        await until(pilot, lambda: screen.ladder and screen.rungs.option_count)
        await pilot.press("j", "right", "k")
        await pilot.pause()
        assert len(services.student_desk.ladders) >= 2
