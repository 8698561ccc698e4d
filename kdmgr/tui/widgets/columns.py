"""The table's columns: which of them there is room for, and what their cells say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from kdmgr.fit.plan import FitReport, Verdict
from kdmgr.services.wording import MARKS, short_speed
from kdmgr.tui.bars import share_bar
from kdmgr.tui.words import COLORS, memory_share, one_line, verdict_of
from kdmgr.units import format_bytes, format_count

if TYPE_CHECKING:
    from kdmgr.services.rows import ModelRow
    from kdmgr.tui.plans import Problem

    Judged = FitReport | Problem | None
    StyleOf = Callable[[str], Style]
    """A theme variable's name → a Rich style."""

BAR_WIDTH = 4
GAP = 1


class Column(NamedTuple):
    """One column. `need` says which go first when the table is narrow: the highest."""

    key: str
    label: str
    width: int
    right: bool
    need: int
    most: int | None = None
    """Grows up to this width where there is room."""


COLUMNS = (
    Column("name", "  name", 20, False, 0, 34),
    Column("fit", "fit", 10 + BAR_WIDTH, False, 0),
    Column("size", "size", 10, True, 1),
    Column("quant", "quant", 7, False, 5, 10),
    Column("speed", "tok/s", 5, True, 2),
    Column("context", "ctx", 6, True, 3),
    Column("teacher", "teacher", 10, False, 4, 34),
    Column("origin", "origin", 7, False, 6),
)


def choose_columns(width: int) -> list[tuple[Column, int]]:
    """The columns that fit into `width`, each with the width it gets."""
    chosen = list(COLUMNS)
    while len(chosen) > 2 and sum(column.width + GAP for column in chosen) > width:
        chosen.remove(max(chosen, key=lambda column: column.need))
    spare = max(width - sum(column.width + GAP for column in chosen), 0)
    widths = {column.key: column.width for column in chosen}
    for column in sorted(chosen, key=lambda column: column.need):
        more = min(spare, (column.most or column.width) - column.width)
        widths[column.key] += more
        spare -= more
    return [(column, widths[column.key]) for column in chosen]


def draw_cell(column: Column, width: int, row: ModelRow, judged: Judged, style_of: StyleOf) -> Text:
    """The cell of `row` in `column`, `width` columns wide."""
    if column.key == "fit":
        return _cell(_draw_fit(row, judged, style_of), width)
    if column.key == "name":
        mark = "● " if row.installed else "○ "
        color = style_of("success") if row.installed else style_of("foreground-muted")
        return _cell(Text.assemble((mark, color), _shorten(one_line(row.name), width - len(mark))), width)
    text = _TEXTS[column.key](row, judged)
    quiet = text in ("?", "–", "…") or column.key == "origin"
    return _cell(Text(text, style_of("foreground-muted") if quiet else ""), width, right=column.right)


def _shorten(name: str, width: int) -> str:
    """Cut in the middle: names of one family differ at their end."""
    if cell_len(name) <= width:
        return name
    tail = min(width // 2, 9)
    return f"{name[: width - tail - 1]}…{name[-tail:]}"


def _cell(text: Text, width: int, *, right: bool = False) -> Text:
    """Fitted by hand: Rich would take the gap to the next column as part of the cell."""
    text.no_wrap = True
    text.end = ""
    text.truncate(width, overflow="ellipsis")
    if right:
        text.align("right", width)
    return text


def _draw_fit(row: ModelRow, judged: Judged, style_of: StyleOf) -> Text:
    verdict = verdict_of(judged)
    style = style_of(COLORS[verdict])
    if judged is None:
        return Text("…", style_of("foreground-muted"))
    if verdict is Verdict.UNKNOWN and not row.installed:
        return Text("?", style_of("foreground-muted"))
    cell = Text(f"{MARKS[verdict]} {verdict.value:<8}", style)
    share = memory_share(judged) if isinstance(judged, FitReport) else None
    if share is not None:
        full, rest = share_bar(share, BAR_WIDTH)
        cell.append(full, style).append(rest, style_of("foreground-muted"))
    return cell


def _speed_text(row: ModelRow, judged: Judged) -> str:
    if judged is None:
        return "…"
    return short_speed(judged.speed) if isinstance(judged, FitReport) else "?"


_TEXTS: dict[str, Callable[[ModelRow, Judged], str]] = {
    "size": lambda row, judged: format_bytes(row.size_bytes),
    "quant": lambda row, judged: one_line(row.quant or "?"),
    "speed": _speed_text,
    "context": lambda row, judged: format_count(row.n_ctx_train),
    "teacher": lambda row, judged: one_line(row.teacher_words or "–"),
    "origin": lambda row, judged: row.origin,
}
