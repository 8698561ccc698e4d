"""The import form and the Modelfile editor over real services: real files, a real store, no server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Button

from kdmgr.refs import parse_ollama_name
from kdmgr.services.app import Services
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.modelfile_colors import Span, color_lines
from kdmgr.tui.screens.import_ import ImportScreen
from kdmgr.tui.screens.modelfile import ModelfileScreen
from kdmgr.tui.screens.review import ReviewScreen
from kdmgr.tui.screens.transfers import TransfersScreen
from kdmgr.tui.widgets.file_picker import complete_path
from kdmgr.tui.widgets.modelfile_editor import ModelfileEditor
from tests.services.importing_rig import write_model
from tests.tui.looking import screen_text, until

NAME = parse_ollama_name("tiny:1b")


@pytest.fixture
def services(tmp_path: Path) -> Services:
    """Folders of our own, and no server to be found."""
    env = {
        "KDMGR_DATA_DIR": str(tmp_path / "data"),
        "KDMGR_CONFIG_DIR": str(tmp_path / "config"),
        "OLLAMA_MODELS": str(tmp_path / "ollama"),
        "OLLAMA_HOST": "127.0.0.1:9",
    }
    return Services.create(env)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return write_model(tmp_path / "models" / "tiny.gguf", 1 << 20)


@dataclass
class On:
    app: App[None]
    pilot: Pilot[None]

    @property
    def editor(self) -> ModelfileEditor:
        return self.app.screen.query_one(ModelfileEditor)

    async def see(self, *parts: str) -> None:
        await until(self.pilot, lambda: all(part in screen_text(self.app) for part in parts))

    async def reach(self, kind: type[Screen[object]]) -> None:
        await until(self.pilot, lambda: isinstance(self.app.screen, kind))


@asynccontextmanager
async def opened(services: Services, size: tuple[int, int] = (120, 40)) -> AsyncIterator[On]:
    app = KdmgrApp(services)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.screen.query("StudentTable"))
        yield On(app, pilot)


async def pick(on: On, model: Path) -> None:
    await on.pilot.press("i")
    await on.reach(ImportScreen)
    screen = on.app.screen
    assert isinstance(screen, ImportScreen)
    screen.picker.field.value = str(model)
    await on.pilot.press("enter")


async def test_from_the_file_to_the_receipt(services: Services, model: Path) -> None:
    async with opened(services) as on:
        await pick(on, model)
        await on.see("It can be imported.", "llama · ", "model: tiny.gguf", "kdmgr's own store", "▲ 2:1")
        assert f"FROM {model}" in on.editor.text
        await on.pilot.press("ctrl+s")
        await on.reach(TransfersScreen)
        await on.see("✔ done", "receipt", "sha256", "copying and hashing")
        await on.pilot.press("enter")
        await on.see("● tiny")
    assert [found.name for found in services.library.list_models()[0]] == ["tiny:f32"]


async def test_errors_of_the_modelfile_are_marked_and_stop_the_import(services: Services, model: Path) -> None:
    async with opened(services) as on:
        await pick(on, model)
        await on.see("It can be imported.")
        on.editor.load("FROM ./tiny.gguf\nPARAMETER topk 5\n")
        await on.see("✘ 2:", "did you mean top_k?")
        await on.pilot.press("ctrl+s")
        await on.see("The Modelfile has errors")
        assert isinstance(on.app.screen, ImportScreen)
        await on.pilot.press("ctrl+f")
        await until(on.pilot, lambda: on.editor.text == "FROM ./tiny.gguf\nPARAMETER top_k 5\n")
        assert services.transfers.states() == ()


async def test_a_name_that_is_taken_is_asked_for(services: Services, model: Path) -> None:
    services.importing.import_model(model, parse_ollama_name("tiny:f32"), lambda progress: None)
    async with opened(services) as on:
        await pick(on, model)
        await on.see("it would be replaced")
        await on.pilot.press("ctrl+s")
        await on.see("tiny:f32 exists already. Replace it?")
        await on.pilot.press("n", "escape")
        await until(on.pilot, lambda: not isinstance(on.app.screen, ImportScreen))
        assert services.transfers.states() == ()


async def test_what_is_no_model_says_why(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "text.gguf"
    path.write_text("hello")
    async with opened(services) as on:
        await pick(on, path)
        await on.see("text.gguf", "hint")
        await on.pilot.press("ctrl+s")
        await on.see("Nothing to import yet")


async def test_a_modelfile_is_edited_reviewed_and_applied(services: Services, model: Path) -> None:
    services.importing.import_model(model, NAME, lambda progress: None)
    async with opened(services) as on:
        await on.see("● tiny:1b")
        await on.pilot.press("e")
        await on.reach(ModelfileScreen)
        await on.see("Ctrl+S shows what changes")
        assert on.editor.text.startswith("FROM /")
        await on.pilot.press("ctrl+end", *"PARAMETER temperature 0.25", "ctrl+s")
        await on.reach(ReviewScreen)
        await on.see(
            "+PARAMETER temperature 0.25", "PARAMETER temperature: added", "Replace tiny:1b in kdmgr's own store"
        )
        # Under a new name nothing is replaced.
        await on.pilot.press(*"tiny:mine")
        await on.see("Make the new model tiny:mine")
        await on.pilot.press("enter", "enter")
        await on.reach(ModelfileScreen)
        await on.see("tiny:mine has been made.")
        await on.pilot.press("escape")
        await on.see("● tiny:mine")
    made = services.library.require(parse_ollama_name("tiny:mine")).stored
    assert made.parameters == {"temperature": 0.25}
    assert services.library.require(NAME).stored.parameters == {}
    assert not list((services.paths.data / "drafts").glob("*"))


async def test_leaving_a_changed_text_asks_and_keeps_a_draft(services: Services, model: Path) -> None:
    services.importing.import_model(model, NAME, lambda progress: None)
    async with opened(services) as on:
        await on.see("● tiny:1b")
        await on.pilot.press("e")
        await on.see("Ctrl+S shows what changes")
        await on.pilot.press("ctrl+end", *"SYSTEM hi", "escape")
        await on.see("The text has changed")
        await on.pilot.press("y")
        await until(on.pilot, lambda: list((services.paths.data / "drafts").glob("*")))
        await until(on.pilot, lambda: not isinstance(on.app.screen, ModelfileScreen))
    (draft,) = (services.paths.data / "drafts").iterdir()
    assert draft.read_text(encoding="utf-8").endswith("SYSTEM hi")
    assert services.library.require(NAME).stored.text("system") is None


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (20, 6)])
async def test_every_size_works(services: Services, model: Path, size: tuple[int, int]) -> None:
    async with opened(services, size) as on:
        await pick(on, model)
        await until(on.pilot, lambda: on.editor.findings is not None)
        await on.pilot.press("ctrl+s")
        await on.reach(TransfersScreen)
        await until(on.pilot, lambda: services.library.own.find(parse_ollama_name("tiny:f32")) is not None)


async def test_names_are_never_markup_nor_obeyed(services: Services, model: Path) -> None:
    for name in ("[red]x[/red].gguf", "[x.gguf", "[/].gguf", "a\x1b[31m\nb.gguf", "\u202efdp.gguf", "\n.gguf"):
        model.with_name(name.replace("/", "")).write_bytes(b"")
    async with opened(services) as on:
        await on.pilot.press("i")
        await on.reach(ImportScreen)
        screen = on.app.screen
        assert isinstance(screen, ImportScreen)
        screen.picker.folders.path = model.parent
        await on.see("[red]x[red].gguf", "[x.gguf", "[].gguf", "a�[31m b.gguf", "�fdp.gguf")
        assert "\x1b" not in screen_text(on.app)


async def test_why_a_folder_shows_nothing_is_said(services: Services, model: Path, tmp_path: Path) -> None:
    empty, gone = tmp_path / "empty", tmp_path / "gone"
    empty.mkdir()
    gone.mkdir()
    async with opened(services, (80, 24)) as on:
        await on.pilot.press("i")
        await on.reach(ImportScreen)
        screen = on.app.screen
        assert isinstance(screen, ImportScreen)
        screen.picker.folders.path = empty
        await on.see("no GGUF file in empty")
        gone.rmdir()
        screen.picker.folders.path = gone
        await on.see("gone cannot be read: no such file or directory")
        screen.picker.folders.path = model.parent
        await on.see("tiny.gguf")
        await until(on.pilot, lambda: "no GGUF" not in screen_text(on.app) and "cannot" not in screen_text(on.app))


@pytest.mark.parametrize("path", [f"/{'x' * 300}.gguf", "~nobody-of-this-name/x.gguf", "a\0b.gguf", "/dev/null"])
async def test_a_path_that_is_none_is_said_to_be(services: Services, path: str) -> None:
    async with opened(services, (80, 24)) as on:
        await pick(on, Path(path))
        await until(on.pilot, lambda: "Pick a GGUF" not in screen_text(on.app) and "looking" not in screen_text(on.app))
        assert on.app.screen.query_one("#go", Button).disabled


async def test_five_thousand_files_are_listed_and_scrolled_through(services: Services, model: Path) -> None:
    for number in range(5000):
        model.with_name(f"m{number:04}.gguf").touch()
    async with opened(services, (80, 24)) as on:
        await on.pilot.press("i")
        await on.reach(ImportScreen)
        screen = on.app.screen
        assert isinstance(screen, ImportScreen)
        screen.picker.folders.path = model.parent
        await on.see("m0000.gguf")
        screen.picker.folders.focus()
        await on.pilot.press("end")
        await on.see("tiny.gguf")


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_the_mouse_does_it_all(services: Services, model: Path, size: tuple[int, int]) -> None:
    async with opened(services, size) as on:
        await on.pilot.press("i")
        await on.reach(ImportScreen)
        screen = on.app.screen
        assert isinstance(screen, ImportScreen)
        screen.picker.folders.path = model.parent
        await on.see("tiny.gguf")
        await on.pilot.click(screen.picker.folders, offset=(8, 1))
        await on.see("It can be imported.")
        editor, go = on.editor, screen.go
        await until(on.pilot, lambda: editor.findings is not None)
        screen.query_one("#form").scroll_end(animate=False)
        await on.pilot.pause()
        assert editor.region.bottom <= go.region.y, "the button covers nothing"
        assert await on.pilot.click(go)
        await on.reach(TransfersScreen)


def test_paths_are_completed(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "b.GGUF").touch()
    (tmp_path / "models" / "a.txt").touch()
    assert complete_path(f"{tmp_path}/mod") == f"{tmp_path}/models/"
    assert complete_path(f"{tmp_path}/models/") == f"{tmp_path}/models/b.GGUF"
    assert complete_path(f"{tmp_path}/models/a") is None
    assert complete_path("") is None
    assert complete_path(f"{tmp_path}/nowhere/x") is None


def test_the_words_of_a_modelfile_have_their_colours() -> None:
    text = '# note\nFROM x\nPARAMETER top_k 5\nTEMPLATE """{{ .System }}\nFROM inside"""\nMESSAGE bot hi\nFRM y'
    lines = color_lines(text)
    assert lines[0] == [Span(0, 6, "comment")]
    assert lines[1] == [Span(0, 4, "command"), Span(5, 6, "value")]
    assert [span.kind for span in lines[2]] == ["command", "name", "value"]
    assert Span(12, 25, "action") in lines[3]
    assert lines[4] == [Span(0, 14, "text")]
    assert lines[5][1] == Span(8, 11, "bad")
    assert lines[6][0] == Span(0, 3, "bad")
