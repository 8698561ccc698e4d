"""A GGUF file, typed or picked: a path with completion, over the folders there are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.text import Text, TextType
from textual import events, getters, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import DirectoryTree, Input
from textual.widgets.directory_tree import DirEntry

from kdmgr.paths import expand_home, is_folder
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.words import one_line

_SUFFIX = ".gguf"
_MOST_ENTRIES = 5000


class GgufTree(DirectoryTree):
    """Folders and GGUF files; nothing hidden."""

    ICON_NODE, ICON_NODE_EXPANDED, ICON_FILE = "▸ ", "▾ ", "  "
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "import",
        [
            Binding("j", "cursor_down", "next", show=False),
            Binding("k", "cursor_up", "previous", show=False),
            Binding("backspace", "parent_folder", "folder above", show=False, tooltip="Show the folder above"),
        ],
    )

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        """What can be picked, or leads there."""
        return [path for path in paths if not path.name.startswith(".") and (is_folder(path) or _is_gguf(path))]

    def process_label(self, label: TextType) -> Text:
        """A name as it is: Textual would read `[red]` in it as markup, and pass on what a terminal obeys."""
        return Text(one_line(label)) if isinstance(label, str) else label

    def action_parent_folder(self) -> None:
        """One folder up."""
        self.path = Path(self.path).absolute().parent


class PathSuggester(Suggester):
    """Completes the last part of a path: folders, and GGUF files."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The first entry that goes on as `value` does."""
        return await asyncio.to_thread(complete_path, value)


class FilePicker(Vertical):
    """The path above, the tree below."""

    field = getters.query_one(Input)
    folders = getters.query_one(GgufTree)

    @dataclass
    class Picked(Message):
        """A file, or a folder that was typed."""

        path: Path

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def compose(self) -> ComposeResult:
        """Path and tree."""
        yield PathInput(placeholder="path of a .gguf file", suggester=PathSuggester(), compact=True)
        yield GgufTree(self._folder)

    def on_mount(self) -> None:
        """A title, and no timer."""
        self.border_title = "file"
        self.field.cursor_blink = False
        self.watch(self.folders, "path", self._look_at_root)

    def _look_at_root(self, folder: str | Path) -> None:
        self.look_into(folder)

    @on(GgufTree.NodeExpanded)
    def _look(self, event: GgufTree.NodeExpanded[DirEntry]) -> None:
        if event.node.data is not None:
            self.look_into(event.node.data.path)

    @work(thread=True, exclusive=True, group="look")
    def look_into(self, folder: str | Path) -> None:
        """Say why there is nothing to see in a folder."""
        text = describe_folder(Path(folder))
        self.app.call_from_thread(setattr, self, "border_subtitle", Content(text))

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        path = expand_home(event.value.strip() or ".").absolute()
        if is_folder(path) and not any(path.glob("*.safetensors")):
            self.folders.path = path
            self.folders.focus()
        else:
            if not path.is_relative_to(Path(self.folders.path).absolute()):
                self.folders.path = path.parent
            self.post_message(self.Picked(path))

    @on(DirectoryTree.FileSelected)
    def _selected(self, event: DirectoryTree.FileSelected) -> None:
        event.stop()
        path = event.path.absolute()
        self.field.value = str(path)
        self.post_message(self.Picked(path))


class PathInput(Input):
    """A path; Tab takes the completion, where there is one."""

    def on_key(self, event: events.Key) -> None:
        """Shells have taught everybody so."""
        if event.key == "tab" and self._suggestion and self.cursor_at_end:
            event.stop().prevent_default()
            self.action_cursor_right()

    def _on_paste(self, event: events.Paste) -> None:
        """Pasted text may hold what a terminal would obey."""
        event.stop().prevent_default()
        super()._on_paste(events.Paste(one_line(event.text)))


def complete_path(value: str) -> str | None:
    """`value` up to the end of the first entry that it may mean; None for none."""
    folder, _, begun = value.rpartition(os.sep)
    if not value or (not folder and not value.startswith(os.sep)):
        return None
    try:
        with os.scandir(expand_home(folder + os.sep)) as entries:
            names = sorted(_names(entries, begun))
    except (OSError, ValueError):
        return None
    return f"{folder}{os.sep}{names[0]}" if names else None


def describe_folder(folder: Path) -> str:
    """Why a folder shows nothing; empty where it shows something."""
    try:
        if any(not path.name.startswith(".") and (_is_gguf(path) or is_folder(path)) for path in folder.iterdir()):
            return ""
    except OSError as error:
        return f"{one_line(folder.name)} cannot be read: {(error.strerror or str(error)).lower()}"
    return f"no GGUF file in {one_line(folder.name) or folder}"


def _names(entries: Iterable[os.DirEntry[str]], begun: str) -> Iterable[str]:
    for number, entry in enumerate(entries):
        if number >= _MOST_ENTRIES:
            return
        if (
            not entry.name.startswith(begun)
            or (entry.name.startswith(".") and not begun)
            or not entry.name.isprintable()
        ):
            continue
        if entry.is_dir():
            yield entry.name + os.sep
        elif entry.name.lower().endswith(_SUFFIX):
            yield entry.name


def _is_gguf(path: Path) -> bool:
    return path.name.lower().endswith(_SUFFIX)
