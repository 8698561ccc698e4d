"""The table's columns: which of them there is room for, and what their cells say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.style import Style

from kdmgr.services.size_estimates import Basis, SizedStudent
from kdmgr.services.wording import MARKS, short_speed
from kdmgr.tui.bars import share_bar
from kdmgr.tui.plans import Judged, context_of, size_of, speed_of
from kdmgr.tui.widgets.cells import Part, fit_parts
from kdmgr.tui.words import COLORS, is_estimate, one_line
from kdmgr.units import format_bytes, format_count

if TYPE_CHECKING:
    from kdmgr.services.rows import ModelRow

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
    Column("name", "   name", 20, False, 0, 36),
    Column("fit", "fit", 10 + BAR_WIDTH, False, 0),
    Column("size", "size", 10, True, 1),
    Column("quant", "quant", 7, False, 6, 10),
    Column("context", "ctx", 6, True, 5),
    Column("speed", "tok/s", 5, True, 2),
    Column("teacher", "teacher", 10, False, 3, 34),
    Column("kept", "kept", 5, True, 4),
    Column("origin", "origin", 7, False, 7),
)


class Line(NamedTuple):
    """What a line of the table is drawn from."""

    row: ModelRow
    judged: Judged
    kept: float | None
    """A share of the teacher's score."""
    share: float | None = None
    """Of the free memory, where it would run."""
    marked: bool = False


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


def draw_cell(column: Column, width: int, line: Line, style_of: StyleOf) -> list[Part]:
    """The cell of `line` in `column`, `width` columns wide."""
    if column.key == "fit":
        return fit_parts(_draw_fit(line, style_of), width)
    if column.key == "name":
        return fit_parts(_draw_name(line, width, style_of), width)
    text = _TEXTS[column.key](line)
    quiet = text in ("?", "–", "…") or column.key == "origin"
    return fit_parts([(text, style_of("foreground-muted") if quiet else None)], width, right=column.right)


def _draw_name(line: Line, width: int, style_of: StyleOf) -> list[Part]:
    marked = ("✓", style_of("primary")) if line.marked else (" ", None)
    mark = ("● ", style_of("success")) if line.row.installed else ("○ ", style_of("foreground-muted"))
    return [marked, mark, (_shorten(one_line(line.row.name), width - 3), None)]


def _shorten(name: str, width: int) -> str:
    """Cut in the middle: names of one family differ at their end."""
    if cell_len(name) <= width:
        return name
    tail = min(width // 2, 9)
    return f"{name[: width - tail - 1]}…{name[-tail:]}"


def _draw_fit(line: Line, style_of: StyleOf) -> list[Part]:
    judged = line.judged
    if judged is None:
        return [("…", style_of("foreground-muted"))]
    style = style_of(COLORS[judged.verdict])
    word = f"{'~' if is_estimate(judged) else ''}{judged.verdict.value}"
    cell = f"{MARKS[judged.verdict]} {word:<8}"
    if line.share is None:
        return [(cell, style)]
    full, rest = share_bar(line.share, BAR_WIDTH)
    return [(cell + full, style), (rest, style_of("foreground-muted"))]


def _speed_text(line: Line) -> str:
    if line.judged is None:
        return "…"
    speed = speed_of(line.judged)
    return f"{'=' if speed and speed.grade == 'measured' else ''}{short_speed(speed)}"


def _size_text(line: Line) -> str:
    judged = line.judged
    guessed = line.row.size_bytes is None and isinstance(judged, SizedStudent) and judged.basis is Basis.ASSUMED
    return f"{'~' if guessed else ''}{format_bytes(size_of(line.row, judged))}"


def _planned_quant(judged: Judged) -> str | None:
    """Of the file that was planned for, where none is there yet."""
    return judged.quant if isinstance(judged, SizedStudent) else None


_TEXTS: dict[str, Callable[[Line], str]] = {
    "size": _size_text,
    "quant": lambda line: one_line(line.row.quant or _planned_quant(line.judged) or "?"),
    "speed": _speed_text,
    "context": lambda line: format_count(context_of(line.row, line.judged)),
    "teacher": lambda line: one_line(line.row.teacher_words or "–"),
    "kept": lambda line: "–" if line.kept is None else f"{line.kept:.0%}",
    "origin": lambda line: line.row.origin,
}
