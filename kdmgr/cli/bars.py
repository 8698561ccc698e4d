"""Memory drawn to scale: one bar per device, a letter per component, so that colour is never needed."""

from __future__ import annotations

from typing import NamedTuple

from kdmgr.fit.plan import DevicePlan


class Segment(NamedTuple):
    """A part of a bar. `glyph` fills it; `size` in bytes."""

    label: str
    glyph: str
    style: str
    size: int


def segments(place: DevicePlan) -> list[Segment]:
    """What stands in one place: used by others, then the model's components, then what stays free."""
    parts = place.components
    used_by_others = max((place.total_bytes or 0) - (place.free_bytes or 0), 0)
    found = [
        Segment("in use", "░", "dim", used_by_others),
        Segment("weights", "█", "blue", parts.weights),
        Segment("KV cache", "▓", "magenta", (parts.kv_cache or 0) + (parts.recurrent or 0)),
        Segment("compute", "▒", "cyan", parts.compute or 0),
        Segment("projector", "◆", "blue", parts.projector),
        Segment("overhead", "○", "yellow", parts.overhead or 0),
    ]
    free = (place.total_bytes or 0) - sum(segment.size for segment in found)
    return [segment for segment in (*found, Segment("free", "·", "dim", max(free, 0))) if segment.size]


def cells(parts: list[Segment], width: int) -> list[tuple[Segment, int]]:
    """Columns for each segment: to scale, at least one for whatever exists, `width` in all."""
    total = sum(part.size for part in parts)
    if not total or width < len(parts):
        return []
    spare = width - len(parts)
    exact = [part.size / total * spare for part in parts]
    counts = [int(share) for share in exact]
    by_rest = sorted(range(len(parts)), key=lambda at: exact[at] - counts[at], reverse=True)
    for at in by_rest[: spare - sum(counts)]:
        counts[at] += 1
    return [(part, count + 1) for part, count in zip(parts, counts, strict=True)]
