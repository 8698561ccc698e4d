"""The table of chats: what each does, what it is about, with whom and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.message import Message
from textual.widgets import DataTable
from textual.widgets.data_table import CellDoesNotExist

from kdmgr.tui.binding_ids import identify
from kdmgr.tui.chat_rows import ChatRow
from kdmgr.tui.chat_words import STATES, describe_time
from kdmgr.tui.words import one_line
from kdmgr.units import format_rate

_GAP = 2


class _Column(NamedTuple):
    key: str
    label: str
    width: int
    """0 takes what is left."""
    right: bool = False
    least: int = 0
    """Columns of the table from which on it is shown."""


_COLUMNS = (
    _Column("state", "", 12),
    _Column("title", "chat", 0),
    _Column("model", "model", 18, least=56),
    _Column("turns", "turns", 5, right=True, least=84),
    _Column("speed", "speed", 12, right=True, least=96),
    _Column("last", "last", 10, right=True, least=40),
)


class ChatTable(DataTable[Text], inherit_bindings=False):
    """Rows are found by `ChatRow.key`."""

    BINDINGS: ClassVar[list[BindingType]] = identify(
        "chats",
        [
            Binding("enter", "open", "open", tooltip="Open the selected chat, or go on with a saved one"),
            Binding("down,j", "cursor_down", "next chat", show=False),
            Binding("up,k", "cursor_up", "previous chat", show=False),
            Binding("g,home", "scroll_top", "first chat", show=False),
            Binding("G,end", "scroll_bottom", "last chat", show=False),
            Binding("pagedown", "page_down", "a page down", show=False),
            Binding("pageup", "page_up", "a page up", show=False),
        ],
    )

    class Opened(Message):
        """The user wants to see this chat."""

        def __init__(self, row: ChatRow) -> None:
            super().__init__()
            self.row = row

    def __init__(self) -> None:
        super().__init__(cursor_type="row", cell_padding=0, zebra_stripes=False)
        self._rows: dict[str, ChatRow] = {}
        self._layout: list[tuple[_Column, int]] = []
        self._wanted: str | None = None

    @property
    def selected(self) -> ChatRow | None:
        """The row under the cursor."""
        try:
            key = self.coordinate_to_cell_key(Coordinate(self.cursor_row, 0)).row_key.value
        except CellDoesNotExist:
            return None
        return self._rows.get(key or "")

    def show_rows(self, rows: Sequence[ChatRow]) -> None:
        """Show these; where only cells have changed, only they are drawn."""
        same = [row.key for row in rows] == list(self._rows) and self.row_count == len(rows)
        kept = self.selected
        self._rows = {row.key: row for row in rows}
        if same and self._layout:
            self._redraw()
        else:
            self._fill(kept.key if kept else None)

    def select(self, key: str) -> None:
        """Put the cursor on a chat; before there is room for any, it will be."""
        self._wanted = key
        if self._layout:
            self._go_to(key)

    def action_open(self) -> None:
        """Ask for the selected chat."""
        if self.selected is not None:
            self.post_message(self.Opened(self.selected))

    def on_click(self, event: events.Click) -> None:
        """A second click opens what the first one selected."""
        if event.chain == 2:
            self.action_open()

    def on_resize(self) -> None:
        """Other columns may have room now."""
        if _choose(self._room) != self._layout:
            self._fill(self.selected.key if self.selected else None)

    @property
    def _room(self) -> int:
        return self.size.width - self.styles.scrollbar_size_vertical

    def _fill(self, key: str | None) -> None:
        if not self.size.width:
            self._layout = []
            return
        with self.app.batch_update():
            self.clear(columns=True)
            self._layout = _choose(self._room)
            for column, width in self._layout:
                label = column.label.rjust(width) if column.right else column.label
                self.add_column(Text(label), width=width + _GAP, key=column.key)
            for row in self._rows.values():
                self.add_row(*(_draw(*at, row) for at in self._layout), key=row.key)
            self._go_to(self._wanted if self._wanted in self._rows else key)

    def _go_to(self, key: str | None) -> None:
        if key in self._rows:
            self._wanted = None
            self.move_cursor(row=self.get_row_index(key), animate=False)

    def _redraw(self) -> None:
        for row in self._rows.values():
            for column, width in self._layout:
                text = _draw(column, width, row)
                if self.get_cell(row.key, column.key) != text:
                    self.update_cell(row.key, column.key, text)


def _choose(room: int) -> list[tuple[_Column, int]]:
    shown = [column for column in _COLUMNS if room >= column.least]
    rest = room - sum(column.width + _GAP for column in shown)
    return [(column, column.width or max(rest, 8)) for column in shown]


def _draw(column: _Column, width: int, row: ChatRow) -> Text:
    text = Text(_cell(column.key, row), no_wrap=True, overflow="ellipsis", end="")
    text.truncate(width, overflow="ellipsis")
    if column.right:
        text.align("right", width)
    return text


def _cell(key: str, row: ChatRow) -> str:
    live, record = row.live, row.record
    if key == "state":
        mark, word, _ = STATES[live.phase] if live else ("○", "saved", "")
        return f" {mark} {word}"
    if key == "title":
        excerpt = f"  “{one_line(record.excerpt)}”" if record and record.excerpt else ""
        return (one_line(row.title) or "nothing said yet") + excerpt
    if key == "model":
        return one_line(row.model)
    if key == "turns":
        return str(row.n_turns)
    if key == "speed":
        rate = live.meter.tok_s if live and live.answering else record.tok_s if record else None
        return "" if rate is None else format_rate(rate)
    return describe_time(record.updated_at, datetime.now().astimezone()) if record else "now"
