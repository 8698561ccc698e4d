"""Help, palette and command line: what the app says of itself, and how it is opened."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.command import Command, CommandList, CommandPalette

from kdmgr.errors import UsageError
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.help_sections import help_sections
from kdmgr.tui.help_words import describe_keys, own_bindings
from kdmgr.tui.places import PLACES
from kdmgr.tui.screens.chat import ChatScreen, Phase
from kdmgr.tui.screens.help import HelpScreen
from kdmgr.tui.themes import THEMES
from kdmgr.tui.words import one_line
from tests.support.shapes import shape
from tests.tui.conftest import make_services
from tests.tui.fakes import FakeServices, installed
from tests.tui.looking import screen_text, until


def bindings_of_kdmgr(app: KdmgrApp) -> list[Binding]:
    """What our own classes bind on the screen that is shown."""
    active = app.screen.active_bindings.values()
    return [found.binding for found in active if type(found.node).__module__.startswith("kdmgr.")]


def listed_actions() -> set[str]:
    return {binding.action.removeprefix("app.") for section in help_sections() for binding in own_bindings(section)}


async def test_help_lists_every_binding(services: FakeServices) -> None:
    app = KdmgrApp(services)
    async with app.run_test(size=(100, 36)) as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(app))
        active = bindings_of_kdmgr(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ChatScreen) and app.screen.phase is Phase.READY)
        active += bindings_of_kdmgr(app)
        ours = [found for found in active if found.description and found.action not in TEXTUALS_OWN]
        assert len(ours) > 20
        assert {found.action.removeprefix("app.") for found in ours} <= listed_actions()


# What Textual binds in every app, screen and text field.
TEXTUALS_OWN = {
    binding.action
    for owner in (KdmgrApp, ChatScreen)
    for base in owner.__mro__
    if base.__module__.startswith("textual.")
    for binding in base.__dict__.get("BINDINGS", [])
    if isinstance(binding, Binding)
} | {
    binding.action
    for section in help_sections()
    for owner in section.owners
    for base in owner.__mro__
    if base.__module__.startswith("textual.")
    for binding in base.__dict__.get("BINDINGS", [])
    if isinstance(binding, Binding)
}


async def test_help_shows_what_it_lists(services: FakeServices) -> None:
    app = KdmgrApp(services)
    async with app.run_test(size=(100, 260)) as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(app))
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.pause()
        lines = [" ".join(line.split()) for line in screen_text(app).splitlines()]
        for section in help_sections():
            for binding in own_bindings(section):
                keys = " ".join(describe_keys(binding).split())
                assert any(keys in line for line in lines), keys
        await pilot.press("question_mark")
        await pilot.pause()
        assert not isinstance(app.screen, HelpScreen)


async def test_help_opens_from_the_chat(services: FakeServices) -> None:
    app = KdmgrApp(services)
    async with app.run_test(size=(100, 36)) as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ChatScreen) and app.screen.phase is Phase.READY)
        await pilot.press("question_mark")
        assert app.screen.query_one("ChatInput").text == "?"  # type: ignore[attr-defined]
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))


async def test_the_palette_finds_models_and_actions() -> None:
    services = make_services(installed("[red]odd[/]", shape("llama-3.2-1b")), catalog=3)
    app = KdmgrApp(services)
    async with app.run_test(size=(100, 36)) as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(app))
        await pilot.press("ctrl+p")
        await until(pilot, lambda: CommandPalette.is_open(app))
        await pilot.press(*"odd")
        await until(pilot, lambda: "Chat with [red]odd[/]" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: not CommandPalette.is_open(app))
        await pilot.press("ctrl+p", *"kv cac")
        await until(pilot, lambda: "The next type of KV cache" in screen_text(app))
        await pilot.press("down", "enter")
        screen = app.screen_stack[0]
        await until(pilot, lambda: screen.plans.options.type_k == "q8_0")  # type: ignore[attr-defined]


async def test_the_palette_begins_with_what_can_be_done_here() -> None:
    services = make_services(installed("[red]odd[/]", shape("llama-3.2-1b")), catalog=30)
    app = KdmgrApp(services)
    async with app.run_test(size=(100, 36)) as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(app))
        await pilot.press("ctrl+p")
        await until(pilot, lambda: CommandPalette.is_open(app))
        found = app.screen.query_one(CommandList)
        await until(pilot, lambda: found.option_count > len(PLACES) + len(THEMES))
        await pilot.pause(0.3)
        texts = [option.hit.text or "" for option in found.options if isinstance(option, Command)]
        assert texts[0] == "Chat with the selected model", "the keys of the table first"
        order = ["All keys", "Chat with [red]odd[/]", *(f"Go to {place.title}" for place in PLACES), "Theme: dark"]
        assert [text for text in texts if text in order] == order
        names = [f"Show {one_line(row.name)}" for row in services.rows]
        assert not set(names) & set(texts), "every model is found by typing, and not listed before"
        await pilot.press(*"show odd")
        await until(pilot, lambda: "Show [red]odd[/]" in screen_text(app))


async def test_the_palette_reveals_a_filtered_model(services: FakeServices) -> None:
    app = KdmgrApp(services)
    async with app.run_test(size=(100, 36)) as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(app))
        await pilot.press("slash", *"large", "enter", "ctrl+p", *"show small")
        await until(pilot, lambda: "Show small" in screen_text(app))
        await pilot.press("down", "enter")
        screen = app.screen_stack[0]
        await until(pilot, lambda: screen.table.selected and screen.table.selected.name == "small")  # type: ignore[attr-defined]
        assert app.focused is screen.table  # type: ignore[attr-defined]


def test_without_a_terminal_the_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    from argparse import Namespace

    from kdmgr.cli.commands.tui import run
    from kdmgr.cli.console import Console

    with pytest.raises(UsageError, match="terminal"):
        run(Namespace(host=None, no_color=False), Console.for_terminal())


def test_style_sheets_name_no_colours() -> None:
    folder = Path(__file__).parents[2] / "kdmgr" / "tui"
    sheets = list(folder.rglob("*.tcss"))
    assert len(sheets) >= 4
    for sheet in sheets:
        colors = re.findall(r"#[0-9a-fA-F]{6}\b|\brgba?\(|\bhsl", sheet.read_text(encoding="utf-8"))
        assert not colors, sheet
