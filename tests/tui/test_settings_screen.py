"""Settings, keys and what is kept from one run to the next."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.command import CommandPalette
from textual.pilot import Pilot

from kdmgr.errors import StorageFailed
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.help_sections import help_sections
from kdmgr.tui.help_words import own_bindings
from kdmgr.tui.keymap import check_keys, known_keys, normalize
from kdmgr.tui.screens.form import FormScreen
from kdmgr.tui.screens.settings import SettingsScreen
from kdmgr.tui.screens.students import StudentsScreen
from kdmgr.tui.themes import CONTRAST, DARK, LIGHT, TERMINAL
from tests.tui.conftest import make_services
from tests.tui.fakes import FakeServices
from tests.tui.looking import screen_text, until


@asynccontextmanager
async def opened(
    services: FakeServices, mode: str = "settings", size: tuple[int, int] = (120, 36)
) -> AsyncIterator[Pilot[None]]:
    services.ui_state.remember("app", {"place": mode})
    app = KdmgrApp(services, theme=services.preferences.settings.theme)
    app.settle_s = 0.01
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        await until(pilot, lambda: screen_text(app))
        await pilot.pause()
        yield pilot


async def shows(pilot: Pilot[None], *texts: str) -> None:
    await until(pilot, lambda: all(text in screen_text(pilot.app) for text in texts))


async def test_settings_and_folders_are_shown_with_their_defaults() -> None:
    services = make_services()
    services.preferences.texts = {"ctx_size": "8k"}
    async with opened(services) as pilot:
        await shows(pilot, "ctx_size", "8k", "/home/somebody/.config")
        await shows(pilot, "Colours of the terminal app.", "kdmgr-contrast")


async def test_the_theme_changes_at_once_and_is_written() -> None:
    services = make_services()
    async with opened(services) as pilot:
        await pilot.press("right")
        await until(pilot, lambda: pilot.app.theme == LIGHT)
        assert services.preferences.texts == {"theme": LIGHT}
        await pilot.press("d")
        await until(pilot, lambda: pilot.app.theme == DARK)
        assert services.preferences.texts == {}


async def test_what_is_refused_is_said_in_the_form() -> None:
    services = make_services()
    async with opened(services) as pilot:
        await pilot.press(*["down"] * 6, "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, FormScreen))
        await pilot.press(*"99", "enter")
        await shows(pilot, "parallel_items is 99", "give a number from 1 to 16")
        await pilot.press("backspace", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, SettingsScreen))
        assert services.preferences.texts == {"parallel_items": "9"}
        await shows(pilot, "parallel_items  9")


async def test_a_file_that_cannot_be_written_is_said() -> None:
    services = make_services()
    services.preferences.error = StorageFailed("cannot write config.toml: read-only")
    async with opened(services) as pilot:
        await pilot.press("right")
        await shows(pilot, "cannot write config.toml")
        assert pilot.app.theme == DARK


async def test_a_key_is_given_and_works_at_once() -> None:
    services = make_services()
    async with opened(services) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, SettingsScreen)
        screen.keys.focus()
        screen.keys.move_cursor(row=screen.keys.get_row_index("keys.students.filter"))
        await pilot.press("enter", "ctrl+u", "s", "enter")
        await shows(pilot, "s cannot be both students.filter and students.sort")
        await pilot.press("ctrl+u", *"ctrl+s", "enter")
        await until(pilot, lambda: services.preferences.own_keys == {"students.filter": "ctrl+s"})
        await shows(pilot, "(yours)")
        await pilot.press("1", "ctrl+s")
        students = pilot.app.screen
        assert isinstance(students, StudentsScreen)
        await until(pilot, lambda: students.filter_input.has_focus)


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (200, 60)])
async def test_every_size_shows_the_place(size: tuple[int, int]) -> None:
    async with opened(make_services(), size=size) as pilot:
        await shows(pilot, "settings", "theme")
        await pilot.press("tab", "down", "tab")


async def test_the_next_theme_is_kept_when_it_has_settled() -> None:
    services = make_services()
    async with opened(services, "students") as pilot:
        await pilot.press("t", "t", "t")
        await until(pilot, lambda: services.preferences.texts == {"theme": TERMINAL})
        await pilot.press("t")
        await until(pilot, lambda: services.preferences.texts == {"theme": DARK})


async def test_a_theme_that_cannot_be_kept_is_said_and_holds() -> None:
    services = make_services()
    services.preferences.error = StorageFailed("cannot write config.toml")
    async with opened(services, "students") as pilot:
        await pilot.press("t")
        await shows(pilot, "kept: cannot write config.toml")
        assert pilot.app.theme == LIGHT


async def test_place_filter_order_selection_and_panel_are_found_as_they_were_left() -> None:
    services = make_services()
    async with opened(services, "students") as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(pilot.app))
        await pilot.press("s", "s", "m", "m", "slash", *"small", "enter")
        await until(pilot, lambda: "1 match" in screen_text(pilot.app))
        await until(pilot, lambda: services.ui_state.n_flushed)
    again = make_services()
    again.ui_state = services.ui_state
    async with opened(again, "students") as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, StudentsScreen)
        await until(pilot, lambda: screen.table.selected and screen.table.selected.name == "small")
        assert (screen.view.query, screen.view.sort, screen.has_class("-panel-hidden")) == ("small", "fit", True)
        await shows(pilot, "1 match")


async def test_the_place_that_was_left_is_opened_and_a_selection_that_is_gone_is_none() -> None:
    services = make_services()
    services.ui_state.remember("students", {"selected": "kdmgr:gone", "sort": "colour", "panel": 7, "query": None})
    async with opened(services, "settings") as pilot:
        assert isinstance(pilot.app.screen, SettingsScreen)
        await pilot.press("1")
        screen = pilot.app.screen
        assert isinstance(screen, StudentsScreen)
        await until(pilot, lambda: screen.table.selected)
        assert screen.view.sort == "best"
        await pilot.press("down")
        await until(pilot, lambda: services.ui_state.part("students")["selected"] != "kdmgr:gone")


async def test_keys_that_cannot_be_had_are_said_at_the_start() -> None:
    services = make_services()
    services.preferences.own_keys = {"students.sort": "f", "students.odd": "x", "students.filter": "ctrl+s"}
    async with opened(services, "students") as pilot:
        await shows(pilot, "f cannot be both students.sort and", "no key is called students.odd")
        await pilot.press("f1")
        await shows(pilot, "Ctrl+s")


def test_every_key_has_an_id_of_its_own() -> None:
    for section in help_sections():
        for binding in own_bindings(section):
            assert binding.id, f"{section.title}: {binding.action} has no id"
    actions: dict[str, set[str]] = {}
    for section in help_sections():
        for binding in own_bindings(section):
            actions.setdefault(binding.id or "", set()).add(binding.action)
    assert not {name: found for name, found in actions.items() if len(found) > 1}


@pytest.mark.parametrize(
    ("wishes", "accepted", "problem"),
    [
        ({"students.sort": "o"}, ["students.sort"], None),
        ({"students.sort": "f", "students.installed_only": "s"}, ["students.sort", "students.installed_only"], None),
        ({"students.sort": "t"}, [], "t cannot be both students.sort and app.next_theme"),
        ({"students.sort": "n"}, ["students.sort"], None),  # a new chat elsewhere
        ({"keys.edit": "enter,e"}, ["keys.edit"], None),  # the table beside has enter, but never at the same time
        ({"students.sort": "o", "students.panel": "o"}, ["students.panel"], "o cannot be both"),
        ({"students.filter": "?"}, [], "question_mark cannot be both"),
        ({"students.sort": ","}, [], "empty key"),
        ({"students.sor": "o"}, [], "perhaps students.sort"),
    ],
)
def test_wishes_are_checked(wishes: dict[str, str], accepted: list[str], problem: str | None) -> None:
    checked = check_keys(wishes, known_keys())
    assert list(checked.accepted) == accepted
    assert any(problem in text for text in checked.problems) if problem else not checked.problems


def test_keys_have_textuals_names() -> None:
    assert normalize("?, ctrl+f") == "question_mark,ctrl+f"


@pytest.mark.parametrize("theme", [DARK, LIGHT, CONTRAST, TERMINAL])
async def test_every_theme_draws_every_place(theme: str) -> None:
    services = make_services()
    services.preferences.texts = {"theme": theme}
    async with opened(services) as pilot:
        assert pilot.app.theme == theme
        await pilot.press("1")
        await shows(pilot, "✔ fits")


async def choose(pilot: Pilot[None], text: str, shown: str) -> None:
    """Open the palette, type, and take the first that matches."""
    await pilot.press("ctrl+p")
    await until(pilot, lambda: CommandPalette.is_open(pilot.app))
    await pilot.press(*text)
    await until(pilot, lambda: shown in screen_text(pilot.app).replace(" ", ""))
    await pilot.press("down", "enter")
    await until(pilot, lambda: not CommandPalette.is_open(pilot.app))


async def test_the_palette_leads_from_anywhere_to_models_and_places() -> None:
    services = make_services()
    async with opened(services, "students") as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(pilot.app))
        await choose(pilot, "go to settings", "GotoSettings")
        await until(pilot, lambda: isinstance(pilot.app.screen, SettingsScreen))
        await choose(pilot, "show small", "Showsmall")
        await until(pilot, lambda: isinstance(pilot.app.screen, StudentsScreen))
        screen = pilot.app.screen
        await until(pilot, lambda: screen.table.selected and screen.table.selected.name == "small")  # type: ignore[attr-defined]
