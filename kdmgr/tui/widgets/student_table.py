"""The table of students: keyed rows, columns by the room there is, cells that fill in later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.message import Message
from textual.widgets import DataTable
from textual.widgets.data_table import CellDoesNotExist

from kdmgr.tui.widgets.columns import GAP, Column, choose_columns, draw_cell

if TYPE_CHECKING:
    from kdmgr.fit.plan import FitReport
    from kdmgr.services.rows import ModelRow
    from kdmgr.tui.plans import Problem

    Judge = Callable[[ModelRow], FitReport | Problem | None]


class StudentTable(DataTable[Text], inherit_bindings=False):
    """Rows are found by `ModelRow.key`; nothing is shown that was not made safe first."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"student-table--{name}" for name in ("success", "warning", "error", "primary", "foreground-muted")
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "chat", tooltip="Chat with the selected model", id="models.open"),
        Binding("down,j", "cursor_down", "next model", show=False, id="models.down"),
        Binding("up,k", "cursor_up", "previous model", show=False, id="models.up"),
        Binding("g,home", "scroll_top", "first model", show=False, id="models.first"),
        Binding("G,end", "scroll_bottom", "last model", show=False, id="models.last"),
        Binding("pagedown,ctrl+f", "page_down", "a page down", show=False, id="models.page_down"),
        Binding("pageup,ctrl+b", "page_up", "a page up", show=False, id="models.page_up"),
    ]

    @dataclass
    class Opened(Message):
        """The user wants to chat with this row's model."""

        key: str

    def __init__(self, judge: Judge, *, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=0, zebra_stripes=False)
        self._judge = judge
        self._rows: dict[str, ModelRow] = {}
        self._layout: list[tuple[Column, int]] = []

    @property
    def selected(self) -> ModelRow | None:
        """The row under the cursor."""
        try:
            key = self.coordinate_to_cell_key(Coordinate(self.cursor_row, 0)).row_key.value
        except CellDoesNotExist:
            return None
        return self._rows.get(key or "")

    def show_rows(self, rows: Sequence[ModelRow]) -> None:
        """Show these, in this order; the cursor stays on its model if that is among them."""
        kept = self.selected
        self._rows = {row.key: row for row in rows}
        self._fill(kept.key if kept else None)

    def select(self, key: str) -> None:
        """Put the cursor on a row."""
        if key in self._rows:
            self.move_cursor(row=self.get_row_index(key), animate=False)

    def redraw_row(self, key: str) -> None:
        """The plan of one row has changed."""
        row = self._rows.get(key)
        if row is None:
            return
        for column, width in self._layout:
            if column.key in ("fit", "speed"):
                self.update_cell(key, column.key, self._draw(column, width, row))

    def redraw(self) -> None:
        """All plans, or the theme, have changed."""
        for key, row in self._rows.items():
            for column, width in self._layout:
                self.update_cell(key, column.key, self._draw(column, width, row))

    def action_open(self) -> None:
        """Ask for a chat with the selected model."""
        if self.selected is not None:
            self.post_message(self.Opened(self.selected.key))

    def on_click(self, event: events.Click) -> None:
        """A second click opens what the first one selected."""
        if event.chain == 2:
            self.action_open()

    def on_resize(self) -> None:
        """Other columns may have room now."""
        if choose_columns(self._room) != self._layout:
            self._fill(self.selected.key if self.selected else None)

    @property
    def _room(self) -> int:
        return self.size.width - self.styles.scrollbar_size_vertical

    def _fill(self, key: str | None) -> None:
        """Columns and rows anew."""
        if not self.size.width:
            # Hidden, or not laid out yet: filled when it gets its size.
            self._layout = []
            return
        with self.prevent(DataTable.RowHighlighted), self.app.batch_update():
            self.clear(columns=True)
            self._layout = choose_columns(self._room)
            for column, width in self._layout:
                label = column.label.rjust(width) if column.right else column.label
                self.add_column(Text(label), width=width + GAP, key=column.key)
            for row in self._rows.values():
                self.add_row(*(self._draw(*at, row) for at in self._layout), key=row.key)
            self.select(key or "")
        selected = self.selected
        if selected is not None:
            row_key = self.coordinate_to_cell_key(Coordinate(self.cursor_row, 0)).row_key
            self.post_message(DataTable.RowHighlighted(self, self.cursor_row, row_key))

    def _draw(self, column: Column, width: int, row: ModelRow) -> Text:
        return draw_cell(column, width, row, self._judge(row), self._style_of)

    def _style_of(self, variable: str) -> Style:
        """The theme's colour of this name; the style sheet has a class for each that cells use."""
        return self.get_component_rich_style(f"student-table--{variable}", partial=True)
