"""Keys with what they do, in columns side by side where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from textual.content import Content

from kdmgr.tui.widgets.drawn import MUTED, Drawn
from kdmgr.tui.widgets.facts import Fact, draw_facts

if TYPE_CHECKING:
    from kdmgr.tui.help_words import Block, Entry

_COLUMN = 50
"""The least width of one of several columns."""
_BETWEEN = 4
_MOST_KEYS = 23


class KeyList(Drawn):
    """Blocks run down the first column, and on in the next."""

    def __init__(self, blocks: Sequence[Block], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._blocks = tuple(blocks)

    def show(self, blocks: Sequence[Block]) -> None:
        """Draw these."""
        self._blocks = tuple(blocks)
        self.redraw()

    def draw(self, width: int) -> list[Content]:
        """As many columns as there is room for, about equally long."""
        n_columns = max((width + _BETWEEN) // (_COLUMN + _BETWEEN), 1)
        room = (width + _BETWEEN) // n_columns - _BETWEEN
        label = min(
            max((len(_label(entry)) for block in self._blocks for entry in block.entries), default=0), _MOST_KEYS
        )
        columns = _fill([_draw_block(block, room, label + 2) for block in self._blocks], n_columns)
        gap = Content(" " * _BETWEEN)
        return [
            gap.join((line or Content()).pad_right(room - (line or Content()).cell_length) for line in lines)
            for lines in zip_longest(*columns)
        ]


def _draw_block(block: Block, width: int, label_width: int) -> list[Content]:
    here = Content.styled("  here", MUTED) if block.is_here else Content()
    facts = [
        Fact(_label(entry), f"{entry.text}{' (your key)' if entry.is_own else ''}", "", "$accent")
        for entry in block.entries
    ]
    return [Content.assemble((block.title, "bold $primary"), here), *draw_facts(facts, width, label_width)]


def _label(entry: Entry) -> str:
    return f"  {'  '.join(entry.keys)}"


def _fill(blocks: Sequence[list[Content]], n_columns: int) -> list[list[Content]]:
    """No block is torn: each column ends with the block that reaches its share of the lines."""
    share = sum(len(block) + 1 for block in blocks) / n_columns
    columns: list[list[Content]] = [[]]
    for block in blocks:
        if len(columns[-1]) + len(block) / 2 > share and len(columns) < n_columns:
            columns.append([])
        columns[-1] += [*([Content("")] if columns[-1] else []), *block]
    return columns
