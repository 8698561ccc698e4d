"""The table of students: what is shown of them, which are selected, and what the user wants of one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from kdmgr.tui.binding_ids import identify
from kdmgr.tui.widgets.columns import Line
from kdmgr.tui.widgets.row_list import HEADER, RowList
from kdmgr.tui.widgets.student_lines import StudentLines

if TYPE_CHECKING:
    from kdmgr.services.rows import ModelRow

_MARK_WIDTH = 2
"""A click here marks the row."""


class StudentTable(RowList, inherit_bindings=False, can_focus=True):
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
        self._rows: Sequence[ModelRow] = ()
        self._index: dict[str, int] | None = None
        """Where the rows stand, by their keys; None until somebody asks."""
        self._lines = StudentLines(look, self._style_of)
        self._marks: set[str] = set()
        self._row_styles: dict[str, Style] = {}

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
        """Show these, in this order; a cursor that somebody placed stays on its model if that is among them."""
        kept, before = self.selected, self._seen()
        at_screen = self.cursor_row - self.scroll_offset.y
        self._rows, self._index = rows, None
        self.measure()
        self.cursor_row = _find(rows, kept.key) if kept and self.is_placed else 0
        if self.size.height:
            self.scroll_to_row(self.cursor_row - max(at_screen, 0))
            self.show_cursor()
        self._refresh_changed(before)
        self.tell_cursor()

    def select(self, key: str) -> None:
        """Put the cursor on a row."""
        at = self._places.get(key)
        if at is not None:
            self.move_cursor(row=at)

    def holds(self, key: str) -> bool:
        """Whether the row is shown."""
        return key in self._places

    def redraw_rows(self, keys: Collection[str]) -> None:
        """The plans of some rows have changed."""
        self._lines.forget(keys)
        self.refresh_rows(*(at for at in self.rows_in_sight() if self._rows[at].key in keys))

    def redraw_row(self, key: str) -> None:
        """The plan of one row has changed."""
        self.redraw_rows({key})

    def redraw(self) -> None:
        """All plans, or the theme, have changed."""
        self._lines.forget()
        self.refresh()

    def clear_marks(self) -> bool:
        """Select none; whether any was."""
        had = bool(self._marks)
        self._mark(set())
        return had

    def tell_cursor(self) -> None:
        """Say on which row it is."""
        self.post_message(self.Highlighted(self.selected.key if self.selected else None))

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
        keys = set(self._places)
        self._mark(self._marks - keys if keys <= self._marks else self._marks | keys)

    def on_click(self, event: events.Click) -> None:
        """A click selects, at the mark it marks, on a column's head it sorts; a second one opens."""
        at = self.row_at(event)
        if event.y < HEADER:
            column = self._lines.column_at(event.x)
            if column is not None:
                self.post_message(self.SortAsked(column.key))
        elif at is not None:
            self.move_cursor(row=at)
            if event.x < _MARK_WIDTH:
                self._mark(self._marks ^ {self._rows[at].key})
            elif event.chain == 2:
                self.action_open()

    def on_resize(self) -> None:
        """Other columns may have room now."""
        self._lines.resize(self.size.width)
        self.measure()
        self.show_cursor()

    # Drawing

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines in `crop`; what they look like under the cursor or the pointer is asked for once."""
        names = ("header", "cursor" if self.has_focus else "cursor-blurred", "hover")
        header, cursor, hover = (self.get_component_rich_style(f"student-table--{name}") for name in names)
        self._row_styles = {"header": header, "cursor": cursor, "hover": hover, "": self.rich_style}
        return super().render_lines(crop)

    def draw_header(self) -> Strip:
        """The labels of the columns."""
        return self._lines.draw_header(self._row_styles["header"])

    def draw_row(self, at: int) -> Strip:
        """The row of this number."""
        row = self._rows[at]
        name = "cursor" if at == self.cursor_row else "hover" if at == self.hovered else ""
        return self._lines.draw(row, marked=row.key in self._marks, style=self._row_styles[name])

    def _style_of(self, variable: str) -> Style:
        """The theme's colour of this name; the style sheet has a class for each that cells use."""
        return self.get_component_rich_style(f"student-table--{variable}", partial=True)

    def _seen(self) -> list[tuple[str, bool]]:
        """What is in sight: the key of each row, and whether the cursor is on it."""
        return [(self._rows[at].key, at == self.cursor_row) for at in self.rows_in_sight()]

    def _refresh_changed(self, before: list[tuple[str, bool]]) -> None:
        """Draw what is in sight anew where something else stands."""
        now = self._seen()
        if len(now) != len(before):
            self.refresh()
            return
        sight = self.rows_in_sight()
        self.refresh_rows(*(at for at, seen, was in zip(sight, now, before, strict=True) if seen != was))

    # Places

    @property
    def _places(self) -> dict[str, int]:
        if self._index is None:
            self._index = {row.key: at for at, row in enumerate(self._rows)}
        return self._index

    def _mark(self, keys: set[str]) -> None:
        changed, self._marks = keys ^ self._marks, keys
        if changed:
            self.refresh()
            self.post_message(self.Marked(frozenset(keys)))


def _find(rows: Sequence[ModelRow], key: str) -> int:
    """Where a row stands; at the top where it is not."""
    return next((at for at, row in enumerate(rows) if row.key == key), 0)
