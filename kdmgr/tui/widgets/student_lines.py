"""The lines of the table of students as they are drawn, each once until something of it changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from textual.cache import LRUCache

from kdmgr.tui.widgets.cells import Part, fit_parts, join_parts
from kdmgr.tui.widgets.columns import GAP, Column, Line, StyleOf, choose_columns, draw_cell

if TYPE_CHECKING:
    from rich.style import Style
    from textual.strip import Strip

    from kdmgr.services.rows import ModelRow

_KEPT_LINES = 512


class StudentLines:
    """What a row looks like in the columns that there is room for."""

    def __init__(self, look: Callable[[ModelRow, bool], Line], style_of: StyleOf) -> None:
        """`look` gives what a row is drawn from, marked or not; `style_of` the theme's colours."""
        self._look = look
        self._style_of = style_of
        self._width = 0
        self._layout: list[tuple[Column, int]] = []
        self._drawn: LRUCache[tuple[str, Style, bool], Strip] = LRUCache(_KEPT_LINES)

    def resize(self, width: int) -> None:
        """Other columns may have room now."""
        self._width = width
        self._layout = choose_columns(width) if width else []
        self.forget()

    def forget(self, keys: Collection[str] | None = None) -> None:
        """The rows of these keys, or all, look different now."""
        if keys is None:
            self._drawn.clear()
            return
        for drawn in list(self._drawn.keys()):
            if drawn[0] in keys:
                self._drawn.discard(drawn)

    def draw(self, row: ModelRow, *, marked: bool, style: Style) -> Strip:
        """A row."""
        key = (row.key, style, marked)
        strip = self._drawn.get(key)
        if strip is None:
            line = self._look(row, marked)
            strip = self._join(
                [draw_cell(column, width, line, self._style_of) for column, width in self._layout], style
            )
            self._drawn[key] = strip
        return strip

    def draw_header(self, style: Style) -> Strip:
        """The labels of the columns."""
        cells = [fit_parts([(column.label, None)], width, right=column.right) for column, width in self._layout]
        return self._join(cells, style)

    def column_at(self, x: int) -> Column | None:
        """The column that stands there."""
        end = 0
        for column, width in self._layout:
            end += width + GAP
            if x < end:
                return column
        return None

    def _join(self, cells: Sequence[Sequence[Part]], style: Style) -> Strip:
        gap: Part = (" " * GAP, None)
        return join_parts((part for cell in cells for part in (*cell, gap)), self._width, style)
