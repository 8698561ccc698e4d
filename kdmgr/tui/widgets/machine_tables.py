"""The tables of the machine place, each with the keys that act on its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events, getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from kdmgr.tui.machine_words import HOSTS, LOADED, LOADS
from kdmgr.tui.widgets.keyed_table import KeyedTable, Line


@dataclass
class Asked(Message):
    """The user wants something done with the row under the cursor."""

    action: str
    key: str


class _ActingTable(KeyedTable):
    def action_ask(self, action: str) -> None:
        """Have it done to the selected row."""
        if self.selected is not None:
            self.post_message(Asked(action, self.selected))


class LoadedTable(_ActingTable):
    """Models in memory."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "ask('unload')", "unload", tooltip="Free the memory of the model", id="loaded.unload"),
        Binding("l", "ask('keep')", "keep loaded", tooltip="How long the model stays loaded", id="loaded.keep"),
    ]

    def __init__(self) -> None:
        super().__init__(LOADED, id="loaded-table")


class HostsTable(_ActingTable):
    """Servers."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "ask('use')", "use", tooltip="Use this server from now on", id="hosts.use"),
        Binding("a", "ask('add')", "add", tooltip="Name another server", id="hosts.add"),
        Binding("d,delete", "ask('remove')", "forget", tooltip="Forget this server; asks", id="hosts.remove"),
    ]

    def __init__(self) -> None:
        super().__init__(HOSTS, id="hosts-table")

    def on_click(self, event: events.Click) -> None:
        """A second click uses what the first one selected."""
        if event.chain == 2:
            self.action_ask("use")


class TablePanel(Vertical):
    """A table in a frame, with a sentence below it or in its place."""

    table = getters.query_one(KeyedTable)
    note = getters.query_one(".note", Static)

    def __init__(self, table: KeyedTable, title: str, note: str, *, id: str) -> None:
        super().__init__(id=id)
        self._table, self._note = table, note
        self.border_title = title

    def compose(self) -> ComposeResult:
        """The table, hidden while it is empty."""
        self._table.display = False
        yield self._table
        note = Static(self._note, classes="note", markup=False)
        note.display = bool(self._note)
        yield note

    def show(self, lines: Sequence[Line], note: str = "") -> None:
        """Show these rows and this sentence."""
        self.table.display = bool(lines)
        self.table.show(lines)
        if note != self._note:
            self._note = note
            self.note.display = bool(note)
            self.note.update(note)


def loads_table() -> KeyedTable:
    """Loads, predicted against actual."""
    return KeyedTable(LOADS, id="loads-table")
