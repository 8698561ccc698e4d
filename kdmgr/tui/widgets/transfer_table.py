"""The table of transfers: what runs, what was left over, what has been."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.message import Message
from textual.widgets import DataTable
from textual.widgets.data_table import CellDoesNotExist

from kdmgr.services.transfer_log import PastTransfer
from kdmgr.services.transfer_state import PULL, Phase
from kdmgr.tui.bars import share_bar
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.transfer_words import describe_time
from kdmgr.tui.words import one_line
from kdmgr.units import format_bytes, format_duration, format_speed

if TYPE_CHECKING:
    from kdmgr.tui.transfer_rows import TransferRow

_GAP = 1
_BAR = 12


class _Column(NamedTuple):
    """One column; `from_width` is the narrowest table that has it. A width of 0 takes what is left."""

    key: str
    width: int
    right: bool = False
    from_width: int = 0


_COLUMNS = (
    _Column("name", 0),
    _Column("state", 11),
    _Column("progress", _BAR + 5, from_width=58),
    _Column("size", 10, right=True, from_width=74),
    _Column("speed", 12, right=True, from_width=92),
    _Column("left", 12, right=True, from_width=36),
)
_LABELS = {
    "name": "  model",
    "state": "state",
    "progress": "progress",
    "size": "size",
    "speed": "speed",
    "left": "left",
}


class TransferTable(DataTable[Text], inherit_bindings=False):
    """Rows are found by `TransferRow.key`; nothing is shown that was not made safe first."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"transfer-table--{name}" for name in ("success", "warning", "error", "primary", "foreground-muted")
    }
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "transfers",
        [
            Binding("enter", "open", "go on", tooltip="Go on with it, try again, show the model, or the receipt"),
            Binding("down,j", "cursor_down", "next transfer", show=False),
            Binding("up,k", "cursor_up", "previous transfer", show=False),
            Binding("g,home", "scroll_top", "first transfer", show=False),
            Binding("G,end", "scroll_bottom", "last transfer", show=False),
            Binding("pagedown,ctrl+f", "page_down", "a page down", show=False),
            Binding("pageup,ctrl+b", "page_up", "a page up", show=False),
        ],
    )

    class Opened(Message):
        """Enter, or a second click, on the selected row."""

    def __init__(self) -> None:
        super().__init__(cursor_type="row", cell_padding=0, zebra_stripes=False)
        self._rows: dict[str, TransferRow] = {}
        self._layout: list[tuple[_Column, int]] = []

    @property
    def selected(self) -> TransferRow | None:
        """The row under the cursor."""
        try:
            key = self.coordinate_to_cell_key(Coordinate(self.cursor_row, 0)).row_key.value
        except CellDoesNotExist:
            return None
        return self._rows.get(key or "")

    def show_rows(self, rows: Sequence[TransferRow]) -> None:
        """Show these; as long as they are the same ones, only what has changed is drawn again."""
        before, kept = self._rows, self.selected
        self._rows = {row.key: row for row in rows}
        if list(before) != list(self._rows) or not self._layout:
            self._fill(kept.key if kept else None)
            return
        for row in rows:
            if row != before[row.key]:
                self._redraw(row)

    def select(self, key: str) -> None:
        """Put the cursor on a row."""
        if key in self._rows and self._layout:
            self.move_cursor(row=self.get_row_index(key), animate=False)

    def redraw(self) -> None:
        """The theme has changed."""
        for row in self._rows.values():
            self._redraw(row)

    def action_open(self) -> None:
        """Do with the selected row what is to be done next."""
        if self.selected is not None:
            self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        """A second click opens what the first one selected."""
        if event.chain == 2:
            self.action_open()

    def on_resize(self) -> None:
        """Other columns may have room now."""
        if self._choose() != self._layout:
            self._fill(self.selected.key if self.selected else None)

    def _choose(self) -> list[tuple[_Column, int]]:
        room = self.size.width - self.styles.scrollbar_size_vertical
        shown = [column for column in _COLUMNS if room >= column.from_width]
        rest = room - sum(column.width + _GAP for column in shown)
        return [(column, column.width or max(rest, 8)) for column in shown]

    def _fill(self, key: str | None) -> None:
        if not self.size.width:
            # Hidden, or not laid out yet: filled when it gets its size.
            self._layout = []
            return
        with self.prevent(DataTable.RowHighlighted), self.app.batch_update():
            self.clear(columns=True)
            self._layout = self._choose()
            for column, width in self._layout:
                label = _LABELS[column.key]
                self.add_column(Text(label.rjust(width) if column.right else label), width=width + _GAP, key=column.key)
            for row in self._rows.values():
                self.add_row(*(self._draw(column, width, row) for column, width in self._layout), key=row.key)
            self.select(key or "")
        if self._rows:
            row_key = self.coordinate_to_cell_key(Coordinate(self.cursor_row, 0)).row_key
            self.post_message(DataTable.RowHighlighted(self, self.cursor_row, row_key))

    def _redraw(self, row: TransferRow) -> None:
        for column, width in self._layout:
            self.update_cell(row.key, column.key, self._draw(column, width, row))

    def _draw(self, column: _Column, width: int, row: TransferRow) -> Text:
        cell = self._draw_mark(column, row) or Text(_text_of(column, row, width))
        if isinstance(row.item, PastTransfer) and column.key != "state":
            cell.stylize(self._style_of("foreground-muted"))
        cell.no_wrap, cell.end = True, ""
        cell.truncate(width, overflow="ellipsis")
        if column.right:
            cell.align("right", width)
        return cell

    def _draw_mark(self, column: _Column, row: TransferRow) -> Text | None:
        mark, color = row.mark
        style = self._style_of(color)
        if column.key == "state":
            return Text(f"{mark} {row.word}", style)
        if column.key != "progress" or row.share is None:
            return None
        if isinstance(row.item, PastTransfer):
            return Text(f"{'':{_BAR}} {row.share:4.0%}")
        full, rest = share_bar(row.share, _BAR)
        return Text.assemble((full, style), (rest, self._style_of("foreground-muted")), f" {row.share:4.0%}")

    def _style_of(self, variable: str) -> Style:
        return self.get_component_rich_style(f"transfer-table--{variable}", partial=True)


def _keep_end(name: str, width: int) -> str:
    """Names with a host and a user differ at their end."""
    return name if cell_len(name) <= width else f"…{name[1 - width :]}"


def _text_of(column: _Column, row: TransferRow, width: int) -> str:
    if column.key == "name":
        return f"{'↓' if row.kind == PULL else '+'} {_keep_end(one_line(row.name), width - 2)}"
    if column.key == "size":
        return format_bytes(row.total if row.total is not None else row.completed)
    state = row.state if row.state and row.state.phase is Phase.RUNNING else None
    if column.key == "speed":
        return format_speed(state.bytes_s) if state else ""
    if column.key == "left":
        if isinstance(row.item, PastTransfer):
            return describe_time(row.item.at)
        return format_duration(state.eta_s) if state else ""
    return "?"
