"""The field and the tables of the search of the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from kdmgr.tui.find_words import FINDS, QUANTS
from kdmgr.tui.widgets.keyed_table import KeyedTable
from kdmgr.tui.words import one_line


class FindInput(Input):
    """Words for the Hub; Down goes to what was found."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "screen.to_finds", "to the results", show=False, id="find.leave_field"),
    ]

    def __init__(self, words: str) -> None:
        super().__init__(one_line(words), placeholder="words of a repository's name, then Enter", compact=True)
        self.cursor_blink = False

    def _on_paste(self, event: events.Paste) -> None:
        """Pasted text may hold what a terminal would obey."""
        event.stop().prevent_default()
        super()._on_paste(events.Paste(one_line(event.text)))


class _PullingTable(KeyedTable):
    """Enter, or a second click, pulls the selected row."""

    @dataclass
    class Opened(Message):
        """The row to pull."""

        table: KeyedTable
        key: str

    def action_open(self) -> None:
        """Pull the selected row."""
        if self.selected is not None:
            self.post_message(_PullingTable.Opened(self, self.selected))

    def on_click(self, event: events.Click) -> None:
        """A second click opens what the first one selected."""
        if event.chain == 2:
            self.action_open()


class FindsTable(_PullingTable):
    """Repositories."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "pull", tooltip="Look what pulling it would mean: the quant to take", id="find.pull"),
        Binding("pagedown", "page_down", "a page down", show=False, id="find.page_down"),
        Binding("pageup", "page_up", "a page up", show=False, id="find.page_up"),
    ]

    def __init__(self) -> None:
        super().__init__(FINDS, id="finds-table")


class QuantsTable(_PullingTable):
    """What one repository holds."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "pull", tooltip="Look what pulling this quant would mean", id="find.pull_quant"),
    ]

    def __init__(self) -> None:
        super().__init__(QUANTS, id="quants-table")


Opened = _PullingTable.Opened
