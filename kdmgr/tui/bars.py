"""Lengths drawn with characters: shares, and rates over time. Pure."""

from __future__ import annotations

from collections.abc import Iterable

_SPARKS = "▁▂▃▄▅▆▇█"


def share_bar(share: float, width: int) -> tuple[str, str]:
    """The full and the empty part of a line of `width` columns, in half columns."""
    halves = round(min(max(share, 0.0), 1.0) * width * 2)
    if share > 0:
        halves = max(halves, 1)
    full = "━" * (halves // 2) + "╸" * (halves % 2)
    return full, "─" * (width - len(full))


def sparkline(values: Iterable[float], width: int, *, top: float | None = None) -> str:
    """The last `width` values over a baseline of zero, one character each; `top` is the full height, or the largest."""
    recent = list(values)[-width:] if width > 0 else []
    top = max(recent, default=0.0) if top is None else top
    if top <= 0:
        return _SPARKS[0] * len(recent)
    return "".join(_SPARKS[min(max(int(value / top * 7.999), 0), 7)] for value in recent)
