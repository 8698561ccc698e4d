"""A Markdown list as one widget: Textual's own has three for each item, which are all placed anew with each word."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from textual.containers import Horizontal, VerticalGroup
from textual.content import Content
from textual.widgets import Markdown, Static
from textual.widgets.markdown import MarkdownBlock

from kdmgr.tui.widgets.drawn import Drawn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.app import ComposeResult

_LEAST = 8
"""Cells that the words of an item get at least, however deep it stands."""


class Item(NamedTuple):
    """A paragraph of a list, behind its mark or below the one that has it."""

    mark: str
    indent: int
    words: Content


class ListText(Drawn):
    """The items; those that stand are not drawn again when others follow."""

    def __init__(self, items: Sequence[Item]) -> None:
        super().__init__()
        self._items = list(items)
        self._width = 0
        self._drawn: list[tuple[Item, list[Content]]] = []

    def show(self, items: Sequence[Item]) -> None:
        """Other items, or more of them."""
        self._items = list(items)
        self.refresh(layout=True)

    def draw(self, width: int) -> list[Content]:
        """Mark and words; further lines begin where the words do."""
        if width != self._width:
            self._width, self._drawn = width, []
        return [line for at, item in enumerate(self._items) for line in self._draw_item(at, item)]

    async def action_link(self, href: str) -> None:
        """Pass a link on, as paragraphs do."""
        if isinstance(self.parent, DrawnList):
            await self.parent.action_link(href)

    def _draw_item(self, at: int, item: Item) -> list[Content]:
        if at < len(self._drawn) and self._drawn[at][0] == item:
            return self._drawn[at][1]
        before = " " * item.indent + item.mark
        lines = item.words.wrap(max(self._width - len(before), _LEAST)) or [Content()]
        heads = [
            Content.assemble(" " * item.indent, (item.mark, "$primary")),
            *[Content(" " * len(before))] * len(lines),
        ]
        drawn = [Content.assemble(head, line) for head, line in zip(heads, lines, strict=False)]
        self._drawn[at:] = [(item, drawn)]
        return drawn


class DrawnList(MarkdownBlock):
    """With or without numbers. Items with code, tables or quotes in them are laid out by themselves."""

    DEFAULT_CSS = """
    DrawnList { width: 1fr; height: auto; margin: 0 0 1 0; }
    DrawnList DrawnList { margin: 0; }
    DrawnList > Horizontal { width: 1fr; height: auto; }
    DrawnList > Horizontal > .mark { width: auto; color: $primary; }
    DrawnList > Horizontal > VerticalGroup { width: 1fr; }
    """

    def compose(self) -> ComposeResult:
        """One widget for all items where they are words alone."""
        items = list(_read(self, 0))
        if None not in items:
            yield ListText([item for item in items if item is not None])
        else:
            for mark, block in _marked(self):
                yield Horizontal(Static(mark, classes="mark", markup=False), VerticalGroup(*block._blocks))
        self._blocks.clear()

    async def _update_from_block(self, block: MarkdownBlock) -> None:
        items = list(_read(block, 0)) if isinstance(block, DrawnList) else [None]
        shown = self.query_children(ListText)
        if None in items or not shown:
            await super()._update_from_block(block)
        else:
            shown.first().show([item for item in items if item is not None])


def _marked(block: MarkdownBlock) -> list[tuple[str, MarkdownBlock]]:
    """The items with their bullets or numbers; numbers are counted on from the first."""
    items = [item for item in block._blocks if isinstance(item, _ITEMS)]
    marks = [str(getattr(item, "bullet", "")) for item in items]
    if items and isinstance(items[0], _NUMBERED):
        first = int(marks[0]) if marks[0].isdigit() else 1
        numbers = [f"{number}. " for number in range(first, first + len(items))]
        marks = [number.rjust(max(map(len, numbers)) + 1) for number in numbers]
    return list(zip(marks, items, strict=True))


def _read(block: MarkdownBlock, indent: int) -> Iterator[Item | None]:
    """The items of a list and of the lists in it; None for what is not words."""
    for mark, item in _marked(block):
        within = indent + len(mark)
        if not item._blocks or isinstance(item._blocks[0], DrawnList):
            yield Item(mark, indent, Content())
        for number, inner in enumerate(item._blocks):
            if isinstance(inner, DrawnList):
                yield from _read(inner, within)
            elif isinstance(inner, _PARAGRAPH):
                yield Item("" if number else mark, within if number else indent, inner._content)
            else:
                yield None


_NUMBERED = Markdown.BLOCKS["list_item_ordered_open"]
_ITEMS = (_NUMBERED, Markdown.BLOCKS["list_item_unordered_open"])
_PARAGRAPH = Markdown.BLOCKS["paragraph_open"]
