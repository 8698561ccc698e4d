"""The help: where one came from first, side by side where there is room, and found by a word or a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.help_sections import help_sections
from kdmgr.tui.help_words import narrow, read_blocks
from kdmgr.tui.screens.help import HelpScreen
from kdmgr.tui.screens.students import StudentsScreen
from kdmgr.tui.widgets.filter_input import FilterInput
from tests.tui.conftest import make_services
from tests.tui.fakes import FakeServices
from tests.tui.looking import screen_text, until

BLOCKS = read_blocks(help_sections(), {"students.sort": "x"}, ["Machine"])


@asynccontextmanager
async def help_opened(
    services: FakeServices, *keys: str, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[Pilot[None]]:
    app = KdmgrApp(services)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(app))
        await pilot.press(*keys, "question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.pause(0.1)
        yield pilot


def line_with(pilot: Pilot[None], text: str) -> str:
    return next((line for line in screen_text(pilot.app).splitlines() if text in line), "")


async def test_the_place_that_one_came_from_is_first(services: FakeServices) -> None:
    async with help_opened(services, "4") as pilot:
        lines = [line for line in screen_text(pilot.app).splitlines() if "here" in line]
        assert "Machine  here" in lines[0]
        assert "Students  here" not in screen_text(pilot.app)


async def test_sections_stand_side_by_side_where_there_is_room(services: FakeServices) -> None:
    async with help_opened(services) as pilot:
        assert "Next model" in screen_text(pilot.app) and "Students  here" in line_with(pilot, "Students  here")
        heads = line_with(pilot, "Students  here").split("  here")[1].strip("│ ")
        assert heads in {block.title for block in BLOCKS}, "another heading on the same line"
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: line_with(pilot, "Students  here").split("  here")[1].strip("│ ▁▂▃▄▅▆▇█") == "")


async def test_a_word_or_a_key_is_found(services: FakeServices) -> None:
    async with help_opened(services) as pilot:
        await pilot.press("slash", *"kv cache")
        await until(pilot, lambda: "next type of KV cache" in screen_text(pilot.app))
        assert "Next model" not in screen_text(pilot.app)
        await pilot.press("escape")
        await until(pilot, lambda: "Next model" in screen_text(pilot.app))
        assert not pilot.app.screen.query_one(FilterInput).display, "Escape shows all again before it closes"
        await pilot.press("slash", *"zzz")
        await until(pilot, lambda: "Nothing matches “zzz”" in screen_text(pilot.app))
        await pilot.press("enter", "escape")
        await until(pilot, lambda: "Next model" in screen_text(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, StudentsScreen))


async def test_keys_of_ones_own_are_shown() -> None:
    services = make_services()
    services.preferences.set("keys.students.sort", "x")
    async with help_opened(services) as pilot:
        await pilot.press("slash", *"sort by the next")
        await until(pilot, lambda: "(your key)" in screen_text(pilot.app))
        assert line_with(pilot, "(your key)").strip("│ ").startswith("x ")


async def test_a_small_screen_shows_it_too(services: FakeServices) -> None:
    async with help_opened(services, size=(60, 20)) as pilot:
        assert "Students  here" in screen_text(pilot.app)
        await pilot.press("slash", *"duel")
        await until(pilot, lambda: "Duel" in screen_text(pilot.app))


def test_a_key_is_meant_before_a_word() -> None:
    by_key = {entry.text for block in narrow(BLOCKS, "F1") for entry in block.entries}
    assert by_key == {"All keys", "Close"}
    lower, upper = ({e.keys for b in narrow(BLOCKS, key) for e in b.entries} for key in ("f", "F"))
    assert lower and upper and not lower & upper, "with Shift it is another key"
    assert all("x" in entry.keys for block in narrow(BLOCKS, "x") for entry in block.entries)
    assert narrow(BLOCKS, "no such word") == []


def test_what_does_the_same_is_one_line() -> None:
    everywhere = next(block for block in BLOCKS if block.title == "Everywhere")
    assert [entry.keys for entry in everywhere.entries if entry.text == "Go to Chats"] == [("2", "F3")]
    assert BLOCKS[0].title == "Machine" and BLOCKS[1].title == "Everywhere" and BLOCKS[-1].title == "Signs"
