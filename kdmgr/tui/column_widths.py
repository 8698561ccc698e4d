"""How wide the columns of a table of text are. Pure."""

from __future__ import annotations

from collections.abc import Sequence

LEAST = 4
"""Cells that a column keeps, as far as it needs them."""


def share_out(wanted: Sequence[int], room: int) -> list[int]:
    """Widths for columns that want so much: narrow ones get it, wide ones divide what is left."""
    widths = [0] * len(wanted)
    left, n_left = room, len(wanted)
    for column in sorted(range(len(wanted)), key=lambda at: wanted[at]):
        share = max(left // n_left, min(LEAST, wanted[column]), 1)
        widths[column] = min(wanted[column], share)
        left, n_left = left - widths[column], n_left - 1
    return widths
