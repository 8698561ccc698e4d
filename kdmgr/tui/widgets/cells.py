"""Texts cut and filled to the cells they get, and joined to a line. Rich's own texts take several times as long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Part: TypeAlias = tuple[str, Style | None]
"""A text and what it adds to the style of its line; None is nothing."""


def fit_parts(parts: Sequence[Part], width: int, *, right: bool = False) -> list[Part]:
    """`parts` in exactly `width` cells: cut with an ellipsis, or filled with spaces."""
    length = sum(cell_len(text) for text, _ in parts)
    if length > width:
        return _cut(parts, width)
    fill: Part = (" " * (width - length), None)
    return [fill, *parts] if right else [*parts, fill]


def join_parts(parts: Iterable[Part], width: int, style: Style) -> Strip:
    """A line of `width` cells in `style`; neighbours that look the same are one segment."""
    segments: list[Segment] = []
    run, run_style = "", style
    for text, added in parts:
        wanted = style + added if added else style
        if wanted != run_style and run:
            segments.append(Segment(run, run_style))
            run = ""
        run, run_style = run + text, wanted
    return Strip([*segments, Segment(run, run_style)]).adjust_cell_length(width, style)


def _cut(parts: Sequence[Part], width: int) -> list[Part]:
    kept: list[Part] = []
    room = width - 1
    for text, style in parts:
        length = cell_len(text)
        if length > room:
            return [*kept, (f"{set_cell_size(text, room)}…", style)]
        kept.append((text, style))
        room -= length
    return kept
