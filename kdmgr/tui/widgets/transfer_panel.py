"""Everything about the selected transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import getters
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from kdmgr.tui.transfer_words import draw_row
from kdmgr.tui.widgets.drawn import MUTED, Drawn
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.tui.transfer_rows import TransferRow


class _Lines(Drawn):
    """The lines of one row."""

    row: TransferRow | None = None

    def draw(self, width: int) -> list[Content]:
        """At the width the panel has."""
        if self.row is None:
            return [Content.styled("nothing is selected", MUTED)]
        return draw_row(self.row, max(width, 20))


class TransferPanel(VerticalScroll):
    """Beside the table, or below it."""

    lines = getters.query_one(_Lines)

    def compose(self) -> ComposeResult:
        """One drawing."""
        yield _Lines()

    def show(self, row: TransferRow | None) -> None:
        """Show this row, or nothing."""
        other = self.lines.row is None or row is None or self.lines.row.key != row.key
        self.lines.row = row
        self.border_title = Content(one_line(row.name)) if row else ""
        self.lines.refresh(layout=True)
        if other:
            self.scroll_home(animate=False)
