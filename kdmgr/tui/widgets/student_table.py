"""The table of students. Only the lines in sight are drawn, so it takes any number of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from kdmgr.tui.binding_ids import identify
from kdmgr.tui.widgets.columns import GAP, Column, Line, choose_columns, draw_cell, fit_cell

if TYPE_CHECKING:
    from kdmgr.services.rows import ModelRow

_HEADER = 1
_MARK_WIDTH = 2
"""A click here marks the row."""
_KEPT_LINES = 512


class StudentTable(ScrollView, inherit_bindings=False, can_focus=True):
    """Rows are found by `ModelRow.key`; nothing is shown that was not made safe first."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"student-table--{name}" for name in ("success", "warning", "error", "primary", "foreground-muted")),
        *(f"student-table--{name}" for name in ("header", "cursor", "cursor-blurred", "hover")),
    }
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "models",
        [
            Binding("enter", "open", "chat", tooltip="Chat with the selected model"),
            Binding("space", "mark", "select", tooltip="Select the model, and others, for one action on all of them"),
            Binding(
                "ctrl+a", "mark_all", "select all", show=False, tooltip="Select all models that are shown, or none"
            ),
            Binding("down,j", "move(1)", "next model", show=False, id="models.down"),
            Binding("up,k", "move(-1)", "previous model", show=False, id="models.up"),
            Binding("g,home", "first", "first model", show=False),
            Binding("G,end", "last", "last model", show=False),
            Binding("pagedown,ctrl+f", "page(1)", "a page down", show=False, id="models.page_down"),
            Binding("pageup,ctrl+b", "page(-1)", "a page up", show=False, id="models.page_up"),
        ],
    )

    @dataclass
    class Opened(Message):
        """The user wants to chat with this row's model."""

        key: str

    @dataclass
    class Highlighted(Message):
        """The cursor is on another row, or on none."""

        key: str | None

    @dataclass
    class Marked(Message):
        """Other rows are selected."""

        keys: frozenset[str]

    @dataclass
    class SortAsked(Message):
        """The head of a column was clicked."""

        column: str

    def __init__(self, look: Callable[[ModelRow, bool], Line], *, id: str | None = None) -> None:
        """`look` gives what a row is drawn from, marked or not."""
        super().__init__(id=id)
        self._look = look
        self._rows: Sequence[ModelRow] = ()
        self._index: dict[str, int] = {}
        self._layout: list[tuple[Column, int]] = []
        self._lines: LRUCache[tuple[str, Style, bool], Strip] = LRUCache(_KEPT_LINES)
        self._marks: set[str] = set()
        self._hover: int | None = None
        self.cursor_row = 0

    # What is shown

    @property
    def rows(self) -> Sequence[ModelRow]:
        """What is shown, in its order."""
        return self._rows

    @property
    def row_count(self) -> int:
        """How many rows are shown."""
        return len(self._rows)

    @property
    def selected(self) -> ModelRow | None:
        """The row under the cursor."""
        return self._rows[self.cursor_row] if self.cursor_row < len(self._rows) else None

    @property
    def marked(self) -> list[ModelRow]:
        """The rows that are selected for an action, of those that are shown."""
        return [row for row in self._rows if row.key in self._marks] if self._marks else []

    def show_rows(self, rows: Sequence[ModelRow]) -> None:
        """Show these, in this order; the cursor stays on its model if that is among them."""
        kept = self.selected
        at_screen = self.cursor_row - self.scroll_offset.y
        self._rows = rows
        self._index = {row.key: at for at, row in enumerate(rows)}
        self._lines.clear()
        self._measure()
        self.cursor_row = self._index.get(kept.key, 0) if kept else 0
        if self.size.height:
            self._scroll_to_row(self.cursor_row - max(at_screen, 0))
            self._show_cursor()
        self.refresh()
        self.post_message(self.Highlighted(self.selected.key if self.selected else None))

    def select(self, key: str) -> None:
        """Put the cursor on a row."""
        if key in self._index:
            self.move_cursor(row=self._index[key])

    def holds(self, key: str) -> bool:
        """Whether the row is shown."""
        return key in self._index

    def move_cursor(self, *, row: int) -> None:
        """Put the cursor on the row of this number, or on the nearest there is."""
        before, row = self.cursor_row, max(min(row, len(self._rows) - 1), 0)
        self.cursor_row = row
        self._show_cursor()
        self._refresh_row(before)
        self._refresh_row(row)
        if row != before:
            self.post_message(self.Highlighted(self._rows[row].key))

    def redraw_rows(self, keys: Sequence[str] | set[str]) -> None:
        """The plans of some rows have changed."""
        for cached in list(self._lines.keys()):
            if cached[0] in keys:
                self._lines.discard(cached)
        top = self.scroll_offset.y
        for row in self._rows[top : top + self.size.height]:
            if row.key in keys:
                self._refresh_row(self._index[row.key])

    def redraw_row(self, key: str) -> None:
        """The plan of one row has changed."""
        self.redraw_rows({key})

    def redraw(self) -> None:
        """All plans, or the theme, have changed."""
        self._lines.clear()
        self.refresh()

    def clear_marks(self) -> bool:
        """Select none; whether any was."""
        had = bool(self._marks)
        self._mark(set())
        return had

    # What the user does

    def action_open(self) -> None:
        """Ask for a chat with the selected model."""
        if self.selected is not None:
            self.post_message(self.Opened(self.selected.key))

    def action_mark(self) -> None:
        """Select the row, or not any more, and go on to the next."""
        if self.selected is not None:
            self._mark(self._marks ^ {self.selected.key})
            self.move_cursor(row=self.cursor_row + 1)

    def action_mark_all(self) -> None:
        """Select all rows that are shown; none when all are."""
        keys = set(self._index)
        self._mark(self._marks - keys if keys <= self._marks else self._marks | keys)

    def action_move(self, by: int) -> None:
        """One row down or up."""
        self.move_cursor(row=self.cursor_row + by)

    def action_page(self, by: int) -> None:
        """A screenful down or up."""
        self.move_cursor(row=self.cursor_row + by * max(self.size.height - _HEADER - 1, 1))

    def action_first(self) -> None:
        """The first row."""
        self.move_cursor(row=0)

    def action_last(self) -> None:
        """The last row."""
        self.move_cursor(row=len(self._rows) - 1)

    def on_click(self, event: events.Click) -> None:
        """A click selects, at the mark it marks, on a column's head it sorts; a second one opens."""
        if event.y < _HEADER:
            self._click_header(event.x)
            return
        at = event.y - _HEADER + self.scroll_offset.y
        if at >= len(self._rows):
            return
        self.move_cursor(row=at)
        if event.x < _MARK_WIDTH:
            self._mark(self._marks ^ {self._rows[at].key})
        elif event.chain == 2:
            self.action_open()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Light up what is under the pointer."""
        at = event.y - _HEADER + self.scroll_offset.y
        self._light(at if event.y >= _HEADER and at < len(self._rows) else None)

    def on_leave(self) -> None:
        """The pointer has gone."""
        self._light(None)

    def on_resize(self) -> None:
        """Other columns may have room now."""
        self._lines.clear()
        self._measure()
        self._show_cursor()

    def watch_has_focus(self, has_focus: bool) -> None:
        """The cursor looks quieter without the focus."""
        super().watch_has_focus(has_focus)
        self.refresh()

    # Drawing

    def render_line(self, y: int) -> Strip:
        """The head, or the row that stands on this line."""
        width = self.size.width
        if y < _HEADER:
            return self._draw_header().adjust_cell_length(width)
        at = y - _HEADER + self.scroll_offset.y
        if at >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row, style = self._rows[at], self._style_of_row(at)
        key = (row.key, style, row.key in self._marks)
        if key not in self._lines:
            self._lines[key] = self._draw_row(row, style)
        return self._lines[key]

    def _draw_row(self, row: ModelRow, style: Style) -> Strip:
        line = self._look(row, row.key in self._marks)
        return self._strip([draw_cell(column, width, line, self._style_of) for column, width in self._layout], style)

    def _draw_header(self) -> Strip:
        cells = [fit_cell(Text(column.label), width, right=column.right) for column, width in self._layout]
        return self._strip(cells, self.get_component_rich_style("student-table--header"))

    def _strip(self, cells: Sequence[Text], style: Style) -> Strip:
        line = Text(" " * GAP, end="", no_wrap=True).join(cells)
        line.end = ""
        segments = [Segment(text, part) for text, part, _ in line.render(self.app.console)]
        return Strip(segments).adjust_cell_length(self.size.width).apply_style(style)

    def _style_of_row(self, at: int) -> Style:
        if at == self.cursor_row:
            name = "cursor" if self.has_focus else "cursor-blurred"
            return self.get_component_rich_style(f"student-table--{name}")
        return self.get_component_rich_style("student-table--hover") if at == self._hover else self.rich_style

    def _style_of(self, variable: str) -> Style:
        """The theme's colour of this name; the style sheet has a class for each that cells use."""
        return self.get_component_rich_style(f"student-table--{variable}", partial=True)

    # Places

    def _measure(self) -> None:
        self._layout = choose_columns(self.size.width) if self.size.width else []
        self.virtual_size = Size(self.size.width, len(self._rows) + _HEADER)

    def _show_cursor(self) -> None:
        top, height = self.scroll_offset.y, max(self.size.height - _HEADER, 1)
        if self.cursor_row < top:
            self._scroll_to_row(self.cursor_row)
        elif self.cursor_row >= top + height:
            self._scroll_to_row(self.cursor_row - height + 1)

    def _scroll_to_row(self, at: int) -> None:
        self.scroll_to(y=max(at, 0), animate=False, force=True)

    def _refresh_row(self, at: int) -> None:
        y = at - self.scroll_offset.y + _HEADER
        if _HEADER <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def _mark(self, keys: set[str]) -> None:
        changed, self._marks = keys ^ self._marks, keys
        if changed:
            self.refresh()
            self.post_message(self.Marked(frozenset(keys)))

    def _light(self, at: int | None) -> None:
        before, self._hover = self._hover, at
        if before != at:
            for each in (before, at):
                if each is not None:
                    self._refresh_row(each)

    def _click_header(self, x: int) -> None:
        end = 0
        for column, width in self._layout:
            end += width + GAP
            if x < end:
                self.post_message(self.SortAsked(column.key))
                return
