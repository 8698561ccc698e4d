"""Markdown that grows at its end: what stands above is never laid out again."""

from __future__ import annotations

from textual.containers import VerticalGroup
from textual.widgets import Markdown

from kdmgr.tui.markdown_cuts import Part, build_parser, cut
from kdmgr.tui.widgets.drawn_list import DrawnList
from kdmgr.tui.widgets.drawn_table import DrawnTable


class MarkdownPart(Markdown):
    """As Textual shows it, but for lists and tables."""

    BLOCKS = {  # noqa: RUF012  (Textual types it as an instance's)
        **Markdown.BLOCKS,
        "table_open": DrawnTable,
        "bullet_list_open": DrawnList,
        "ordered_list_open": DrawnList,
    }


class GrowingMarkdown(VerticalGroup):
    """Some dozens of lines to a part, of which only the last one changes. What is given must be safe to show."""

    DEFAULT_CSS = """
    GrowingMarkdown Markdown { background: transparent; padding: 0; margin: 0; height: auto; }
    GrowingMarkdown Markdown.-goes-on > DrawnList { margin-bottom: 0; }
    GrowingMarkdown Markdown.-goes-on > DrawnTable { margin-bottom: 0; }
    GrowingMarkdown Markdown.-goes-on > MarkdownFence:last-of-type { margin-bottom: 0; }
    GrowingMarkdown Markdown.-continues > MarkdownFence:first-child { margin-top: 0; }
    GrowingMarkdown Markdown.-continues > MarkdownFence:first-child > Label { padding-top: 0; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._growing: Markdown | None = None
        self.n_laid_out = 0
        """Characters that were laid out so far, those that were laid out again among them."""

    async def append(self, text: str) -> None:
        """More has come; returns when it is laid out."""
        shown = self._growing.source if self._growing is not None else ""
        first, *others = cut(shown + text, len(shown))
        await self._grow(first, len(shown))
        before = first
        for part in others:
            self._growing = None
            await self._grow(part, 0, continues=before.goes_on)
            before = part

    async def _grow(self, part: Part, n_shown: int, *, continues: bool = False) -> None:
        """Show the rest of the last part."""
        if self._growing is None:
            self._growing = MarkdownPart(parser_factory=build_parser, open_links=False)
            self._growing.set_class(continues, "-continues")
            await self.mount(self._growing)
        self.n_laid_out += len(part.source)
        if rest := part.source[n_shown:]:
            await self._growing.append(rest)
        self._growing.set_class(part.goes_on, "-goes-on")
