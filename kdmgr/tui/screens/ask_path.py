"""One question for the path of a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, Static

from kdmgr.paths import expand_home
from kdmgr.tui.words import one_line


class PathSuggester(Suggester):
    """Goes on with the name that was begun, as a shell does."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The first entry of the folder that begins so; looked for where a slow disk keeps nobody waiting."""
        return await asyncio.to_thread(_complete, value)


class AskPathScreen(ModalScreen[str | None]):
    """Dismissed with the path, or None. A `new` file that is there already is asked about once more."""

    CSS_PATH = "ask_path.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "cancel")]

    def __init__(self, title: str, value: str, hint: str, *, new: bool = False) -> None:
        super().__init__()
        self._title = title
        self._value = value
        self._hint = hint
        self._new = new
        self._warned_of: str | None = None

    def compose(self) -> ComposeResult:
        """A field, and what it takes."""
        with Vertical(id="ask-path") as box:
            box.border_title = self._title
            field = Input(self._value, placeholder="path", suggester=PathSuggester(), compact=True)
            field.cursor_blink = False
            yield field
            yield Static(f"{self._hint} · → completes · Enter goes on · Esc cancels", id="hint", markup=False)

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        event.stop()
        path = event.value.strip()
        if not path:
            return
        if self._new and path != self._warned_of and _exists(expand_home(path)):
            self._warned_of = path
            self.query_one("#hint", Static).update("⚠ it is there already: Enter again replaces it")
            return
        self.dismiss(path)


def _exists(path: Path) -> bool:
    """Whether it is there; where nobody can tell, whoever writes it will be told why not."""
    try:
        return path.exists()
    except OSError:
        return False


def _complete(value: str) -> str | None:
    folder, slash, begun = value.rpartition("/")
    try:
        names = sorted(entry.name for entry in expand_home(f"{folder}{slash}" or ".").iterdir())
    except (OSError, ValueError):
        return None
    found = next((name for name in names if begun and name.startswith(begun) and one_line(name) == name), None)
    return f"{folder}{slash}{found}" if found else None
