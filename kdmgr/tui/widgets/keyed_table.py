"""A small table of facts that change: rows by key, cells updated in place, columns by the room there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.widgets import DataTable
from textual.widgets.data_table import CellDoesNotExist

from kdmgr.tui.words import one_line

_GAP = 2


class Heading(NamedTuple):
    """A column. `need` says which goes first where there is no room: the highest; 0 never does."""

    key: str
    label: str
    width: int
    right: bool = False
    need: int = 0
    grows: bool = False


class Cell(NamedTuple):
    """A text and its tone: "", "muted", "success", "warning" or "error"."""

    text: str
    tone: str = ""


class Line(NamedTuple):
    """A row: what it is found by, and a cell for each heading."""

    key: str
    cells: tuple[Cell, ...]


class KeyedTable(DataTable[Text], inherit_bindings=False):
    """Texts are made safe here; the cursor stays on its key."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"keyed-table--{tone}" for tone in ("muted", "success", "warning", "error")
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "cursor_down", "next row", show=False, id="table.down"),
        Binding("up,k", "cursor_up", "previous row", show=False, id="table.up"),
        Binding("g,home", "scroll_top", "first row", show=False, id="table.first"),
        Binding("G,end", "scroll_bottom", "last row", show=False, id="table.last"),
    ]

    def __init__(self, headings: Sequence[Heading], *, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=0, zebra_stripes=False)
        self._headings = tuple(headings)
        self._lines: dict[str, Line] = {}
        self._layout: list[tuple[int, int]] = []
        """Indices of the headings that are shown, with their widths."""

    @property
    def selected(self) -> str | None:
        """The key of the row under the cursor."""
        try:
            return self.coordinate_to_cell_key(Coordinate(self.cursor_row, 0)).row_key.value
        except CellDoesNotExist:
            return None

    def show(self, lines: Sequence[Line]) -> None:
        """Show these; where the keys are as before, only cells that differ are touched."""
        before, self._lines = self._lines, {line.key: line for line in lines}
        # Its own `auto` is worked out too late when it is filled while it is laid out.
        self.styles.height = 1 + len(lines)
        if list(before) != list(self._lines) or not self._layout:
            self._fill()
            return
        for key, line in self._lines.items():
            for at, width in self._layout:
                if before[key].cells[at] != line.cells[at]:
                    self.update_cell(key, self._headings[at].key, self._draw(at, width, line))

    def redraw(self) -> None:
        """The theme has changed."""
        self._fill()

    def on_resize(self) -> None:
        """Other columns may have room now."""
        if self._fit() != self._layout:
            self._fill()

    def _fill(self) -> None:
        if not self.size.width:
            self._layout = []  # hidden, or not laid out yet
            return
        kept = self.selected
        with self.prevent(DataTable.RowHighlighted), self.app.batch_update():
            self.clear(columns=True)
            self._layout = self._fit()
            for at, width in self._layout:
                heading = self._headings[at]
                label = heading.label.rjust(width) if heading.right else heading.label
                self.add_column(Text(label), width=width + _GAP, key=heading.key)
            for key, line in self._lines.items():
                self.add_row(*(self._draw(*spot, line) for spot in self._layout), key=key)
            if kept in self._lines:
                self.move_cursor(row=self.get_row_index(kept), animate=False)
        if self.row_count:
            row_key = self.coordinate_to_cell_key(Coordinate(self.cursor_row, 0)).row_key
            self.post_message(DataTable.RowHighlighted(self, self.cursor_row, row_key))

    def _fit(self) -> list[tuple[int, int]]:
        room = self.size.width - self.styles.scrollbar_size_vertical
        chosen = list(range(len(self._headings)))
        while len(chosen) > 1 and self._width(chosen) > room:
            last = max(chosen, key=lambda at: self._headings[at].need)
            if not self._headings[last].need:
                break
            chosen.remove(last)
        spare = room - self._width(chosen)
        growing = [at for at in chosen if self._headings[at].grows]
        widths = {at: self._headings[at].width for at in chosen}
        for at in growing:
            longest = max((len(line.cells[at].text) for line in self._lines.values()), default=0)
            more = min(max(longest - widths[at], 0), max(spare, 0))
            widths[at] += more
            spare -= more
        return list(widths.items())

    def _width(self, chosen: Sequence[int]) -> int:
        return sum(self._headings[at].width + _GAP for at in chosen) - _GAP

    def _draw(self, at: int, width: int, line: Line) -> Text:
        cell = line.cells[at]
        text = Text(one_line(cell.text), self._style_of(cell.tone), no_wrap=True, end="")
        text.truncate(width, overflow="ellipsis")
        if self._headings[at].right:
            text.align("right", width)
        return text

    def _style_of(self, tone: str) -> Style | str:
        return self.get_component_rich_style(f"keyed-table--{tone}", partial=True) if tone else ""
