"""How the app was left is how it is found: two runs over one state, and a state that nobody can trust."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot

from kdmgr.services.facets import FIT, FITS, Facet
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.screens.chat import ChatScreen
from kdmgr.tui.screens.chats import ChatsScreen
from kdmgr.tui.screens.students import StudentsScreen
from kdmgr.tui.students_state import read_view, view_values
from kdmgr.tui.views import View
from tests.tui.conftest import make_services
from tests.tui.fakes import FakeServices
from tests.tui.looking import screen_text, until

MATHS, CODE, OPEN = Facet("task", "maths"), Facet("task", "code"), Facet("licence", "open")


@asynccontextmanager
async def run(services: FakeServices) -> AsyncIterator[Pilot[None]]:
    app = KdmgrApp(services)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.screen.is_mounted and app.screen.children)
        yield pilot


def students(pilot: Pilot[None]) -> StudentsScreen:
    assert isinstance(pilot.app.screen, StudentsScreen)
    return pilot.app.screen


async def test_facets_direction_and_cursor_survive_a_restart() -> None:
    first = make_services(catalog=40)
    async with run(first) as pilot:
        screen = students(pilot)
        await until(pilot, lambda: screen.arranged.count_fits(screen.view))
        await pilot.press("s", "s", "s", "S")
        for facet in (MATHS, OPEN, Facet(FIT, FITS)):
            screen._toggle_facet(facet)
        await until(pilot, lambda: screen.table.row_count > 2)
        await pilot.press("down", "down")
        left, selected = screen.view, screen.table.selected
        assert left.sort == "size" and left.reverse and selected is not None
    again = make_services(catalog=40)
    again.ui_state = first.ui_state
    async with run(again) as pilot:
        screen = students(pilot)
        assert screen.view == left
        await until(pilot, lambda: screen.table.selected and screen.table.selected.key == selected.key)
        text = screen_text(pilot.app)
        assert "by size, reversed" in text and "■ fits" in text and "task: maths" in text


async def test_the_chat_that_was_shown_last_is_found_in_the_list() -> None:
    first = make_services(catalog=2)
    async with run(first) as pilot:
        for question in ("one", "two"):
            await pilot.press("f2")
            await until(pilot, lambda: students(pilot).table.row_count)
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(pilot.app.screen, ChatScreen))
            await until(pilot, lambda: pilot.app.screen.phase.name == "READY")  # type: ignore[attr-defined]
            await pilot.press(*question, "enter")
            await until(pilot, lambda asked=question: first.saved_chats.search(asked))  # type: ignore[misc]
        older = first.saved_chats.search("one")[0].id
        app = pilot.app
        assert isinstance(app, KdmgrApp)
        chat = app.chats.find(older)
        assert chat is not None
        await app.chats.show(chat)
        await pilot.pause()
    again = make_services(catalog=2)
    again.ui_state, again.saved_chats = first.ui_state, first.saved_chats
    async with run(again) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChatsScreen))
        table = pilot.app.screen.table  # type: ignore[attr-defined]
        await until(pilot, lambda: table.selected and table.selected.key == f"saved:{older}")


@pytest.mark.parametrize(
    "facets",
    [
        "",
        "not json",
        "{}",
        "[" * 5000,
        "7",
        json.dumps([["task", "maths", "x"], ["task"], 7, None, [1, 2], "ab"]),
        json.dumps([["task", "cooking"], ["fit", "maybe"], ["colour", "red"]]),
    ],
)
def test_facets_that_make_no_sense_are_none(facets: str) -> None:
    assert read_view({"facets": facets, "reverse": "yes", "sort": 3, "query": None}) == View()


def test_a_view_is_read_as_it_was_kept() -> None:
    view = View("q 4b", "kept", True, True, frozenset({MATHS, CODE, OPEN, Facet("teacher", 'a "b", [c]')}))
    assert read_view(view_values(view)) == view
    assert read_view({}) == View()


async def test_a_facet_that_shows_nothing_any_more_can_be_taken_away() -> None:
    services = make_services(catalog=4)
    services.ui_state.remember("students", {"facets": json.dumps([["teacher", "[red]Gone[/]"]])})
    services.ui_state.remember("last_chat", {"id": "seven"})
    async with run(services) as pilot:
        await until(pilot, lambda: "Nothing matches these facets" in screen_text(pilot.app))
        assert "teacher: [red]Gone[/]" in screen_text(pilot.app)
        await pilot.press("escape")
        await until(pilot, lambda: students(pilot).table.row_count == len(services.rows))
        await pilot.press("2")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChatsScreen))
