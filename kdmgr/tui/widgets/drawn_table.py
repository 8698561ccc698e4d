"""A Markdown table as one widget: Textual's own has a widget for each cell, which a long one makes very slow."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Markdown
from textual.widgets.markdown import MarkdownBlock

from kdmgr.tui.column_widths import share_out
from kdmgr.tui.widgets.drawn import Drawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult

    Row = list[Content]

_BETWEEN = 3
"""Cells between two columns: a line with a space on both sides."""
_LINE = "$foreground 25%"


class TableText(Drawn):
    """The rows, in columns as wide as there is room for. Rows that stand are not drawn again when others follow."""

    def __init__(self, headers: Row, rows: list[Row]) -> None:
        super().__init__()
        self._headers, self._rows = headers, rows
        self._widths: list[int] = []
        self._drawn: list[tuple[Row, list[Content]]] = []
        self.n_drawn = 0
        """Rows that were drawn so far, those that were drawn again among them."""

    def show(self, headers: Row, rows: list[Row]) -> None:
        """Other rows, or more of them."""
        self._headers, self._rows = headers, rows
        self.refresh(layout=True)

    def draw(self, width: int) -> list[Content]:
        """Header, line, rows."""
        rows = [self._headers, *self._rows]
        widths = share_out(_wanted(rows), width - _BETWEEN * (len(self._headers) - 1))
        if widths != self._widths:
            self._widths, self._drawn = widths, []
        lines = [line for at, row in enumerate(rows) for line in self._draw_row(at, row)]
        rule = Content.styled("─┼─".join("─" * width for width in widths), _LINE)
        n_header = len(self._drawn[0][1])
        return [*lines[:n_header], rule, *lines[n_header:]]

    async def action_link(self, href: str) -> None:
        """Pass a link on, as cells do."""
        if isinstance(self.parent, DrawnTable):
            await self.parent.action_link(href)

    def _draw_row(self, at: int, row: Row) -> list[Content]:
        if at < len(self._drawn) and self._drawn[at][0] == row:
            return self._drawn[at][1]
        self.n_drawn += 1
        drawn = _lay_out([cell.stylize("bold $primary") for cell in row] if at == 0 else row, self._widths)
        self._drawn[at:] = [(row, drawn)]
        return drawn


class DrawnTable(MarkdownBlock):
    """Grows by drawing what is new."""

    DEFAULT_CSS = """
    DrawnTable { width: 1fr; margin-bottom: 1; }
    """

    def compose(self) -> ComposeResult:
        """One widget for all cells."""
        yield TableText(*self._read_cells())
        self._blocks.clear()

    async def _update_from_block(self, block: MarkdownBlock) -> None:
        if isinstance(block, DrawnTable):
            self.query_one(TableText).show(*block._read_cells())
        else:
            await super()._update_from_block(block)

    def _read_cells(self) -> tuple[Row, list[Row]]:
        """The header's cells, and those of each row."""
        headers: Row = []
        rows: list[Row] = []
        for block in _inner(self):
            if isinstance(block, Markdown.BLOCKS["th_open"]):
                headers.append(block._content)
            elif isinstance(block, Markdown.BLOCKS["tr_open"]):
                rows.append([])
            elif isinstance(block, Markdown.BLOCKS["td_open"]):
                rows[-1].append(block._content)
        return headers, [row for row in rows if row]


def _inner(block: MarkdownBlock) -> Iterator[MarkdownBlock]:
    for inner in block._blocks:
        yield inner
        yield from _inner(inner)


def _wanted(rows: list[Row]) -> list[int]:
    """The widest cell of each column."""
    return [max(widths) for widths in zip_longest(*([cell.cell_length for cell in row] for row in rows), fillvalue=0)]


def _lay_out(row: Row, widths: list[int]) -> list[Content]:
    """The lines of one row."""
    cells = [cell.wrap(width) if cell else [Content()] for cell, width in zip(row, widths, strict=False)]
    between = Content.styled(" │ ", _LINE)
    return [
        between.join(part.pad_right(width - part.cell_length) for part, width in zip(parts, widths, strict=False))
        for parts in zip_longest(*cells, fillvalue=Content())
    ]
