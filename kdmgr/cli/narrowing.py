"""Tables in narrow terminals: first the columns that matter least go, then long cells are cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kdmgr.cli.console import GAP, Console, display_width
from kdmgr.units import printable


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `least` is how narrow it may be cut (None: never), `drop` when it goes (1 first, None never)."""

    title: str
    right: bool = False
    least: int | None = None
    drop: int | None = None


def print_narrow(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """The table, within the console's width as far as that can be."""
    shown = list(range(len(columns)))
    widths = [
        max(display_width(text) for text in (column.title, *(printable(row[at]) for row in rows)))
        for at, column in enumerate(columns)
    ]
    while _least(columns, widths, shown) > console.width:
        dropped = min((at for at in shown if columns[at].drop), key=lambda at: columns[at].drop or 0, default=None)
        if dropped is None:
            break
        shown.remove(dropped)
    _cut(columns, widths, shown, console.width)
    header = [columns[at].title for at in shown]
    cells = [[cut(printable(row[at]), widths[at]) for at in shown] for row in rows]
    console.table(header, cells, right=[index for index, at in enumerate(shown) if columns[at].right])


def cut(text: str, width: int) -> str:
    """`text` in so many columns, with an ellipsis where something is missing."""
    if display_width(text) <= width:
        return text
    kept = text
    while kept and display_width(kept) > width - 1:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"


def _least(columns: Sequence[Column], widths: Sequence[int], shown: Sequence[int]) -> int:
    narrow = [min(widths[at], columns[at].least or widths[at]) for at in shown]
    return sum(narrow) + len(GAP) * (len(shown) - 1)


def _cut(columns: Sequence[Column], widths: list[int], shown: Sequence[int], room: int) -> None:
    """Take from the widest cells that may be cut, a column at a time, until all fits."""
    while sum(widths[at] for at in shown) + len(GAP) * (len(shown) - 1) > room:
        wide = [at for at in shown if (least := columns[at].least) is not None and widths[at] > least]
        if not wide:
            return
        widths[max(wide, key=lambda at: widths[at] - (columns[at].least or 0))] -= 1
