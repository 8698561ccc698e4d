"""Rows of one line each under a head that stays, with a cursor. Only the lines in sight are drawn."""

from __future__ import annotations

from textual import events
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

HEADER = 1
"""Lines of the head."""


class RowList(ScrollView, inherit_bindings=False, can_focus=True):
    """Takes any number of rows; subclasses draw them."""

    # Textual's own has everything laid out anew with each other number of rows.
    virtual_size = Reactive(Size(0, 0), layout=False)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor_row = 0
        self.is_placed = False
        """Whether somebody put the cursor where it is; until then it stays at the top, whatever comes there."""
        self.hovered: int | None = None
        """The row under the pointer."""

    @property
    def row_count(self) -> int:
        """How many rows are shown."""
        raise NotImplementedError

    def draw_header(self) -> Strip:
        """The head."""
        raise NotImplementedError

    def draw_row(self, at: int) -> Strip:
        """The row of this number."""
        raise NotImplementedError

    def tell_cursor(self) -> None:
        """The cursor is on another row."""

    def move_cursor(self, *, row: int) -> None:
        """Put the cursor on the row of this number, or on the nearest there is."""
        before, row = self.cursor_row, max(min(row, self.row_count - 1), 0)
        self.cursor_row, self.is_placed = row, True
        self.show_cursor()
        self.refresh_rows(before, row)
        if row != before:
            self.tell_cursor()

    def row_at(self, event: events.MouseEvent) -> int | None:
        """The row that a pointer is on; None on the head, and below the last row."""
        at = event.y - HEADER + self.scroll_offset.y
        return at if event.y >= HEADER and at < self.row_count else None

    def rows_in_sight(self) -> range:
        """The numbers of the rows that are on the screen."""
        top = self.scroll_offset.y
        return range(top, min(top + max(self.size.height - HEADER, 0), self.row_count))

    def measure(self) -> None:
        """There are other rows, or there is other room."""
        self.virtual_size = Size(self.size.width, self.row_count + HEADER)

    def watch_virtual_size(self, size: Size) -> None:
        """The bar at the side follows at once; only where it comes or goes there is something to lay out."""
        height = self.container_size.height
        bar = self.vertical_scrollbar
        self.show_vertical_scrollbar = bar.display = size.height > height
        bar.window_virtual_size, bar.window_size = size.height, height
        bar.refresh()

    def show_cursor(self) -> None:
        """Scroll to where it is."""
        top, height = self.scroll_offset.y, max(self.size.height - HEADER, 1)
        if self.cursor_row < top:
            self.scroll_to_row(self.cursor_row)
        elif self.cursor_row >= top + height:
            self.scroll_to_row(self.cursor_row - height + 1)

    def scroll_to_row(self, at: int) -> None:
        """Show this row first."""
        self.scroll_to(y=max(at, 0), animate=False, force=True)

    def refresh_rows(self, *rows: int) -> None:
        """Draw these anew where they are in sight."""
        sight, top = self.rows_in_sight(), self.scroll_offset.y - HEADER
        regions = [Region(0, at - top, self.size.width, 1) for at in rows if at in sight]
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """The head, or the row that stands on this line."""
        if y < HEADER:
            return self.draw_header()
        at = y - HEADER + self.scroll_offset.y
        return self.draw_row(at) if at < self.row_count else Strip.blank(self.size.width, self.rich_style)

    # What the user does

    def action_move(self, by: int) -> None:
        """One row down or up."""
        self.move_cursor(row=self.cursor_row + by)

    def action_page(self, by: int) -> None:
        """A screenful down or up."""
        self.move_cursor(row=self.cursor_row + by * max(self.size.height - HEADER - 1, 1))

    def action_first(self) -> None:
        """The first row."""
        self.move_cursor(row=0)

    def action_last(self) -> None:
        """The last row."""
        self.move_cursor(row=self.row_count - 1)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Light up what is under the pointer."""
        self._light(self.row_at(event))

    def on_leave(self) -> None:
        """The pointer has gone."""
        self._light(None)

    def watch_has_focus(self, has_focus: bool) -> None:
        """The cursor looks quieter without the focus."""
        super().watch_has_focus(has_focus)
        self.refresh()

    def _light(self, at: int | None) -> None:
        before, self.hovered = self.hovered, at
        if before != at:
            self.refresh_rows(*(each for each in (before, at) if each is not None))
