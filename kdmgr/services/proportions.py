"""Memory to scale: what stands in one place, and how many columns each part of it gets.

Every kind of memory has a glyph of its own, so that colour is never needed to read a bar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kdmgr.fit.plan import DevicePlan


class Part(NamedTuple):
    """A part of a bar: `kind` names its style, `glyph` fills it. `size` in bytes; None is unknown."""

    kind: str
    label: str
    glyph: str
    size: int | None


class Run(NamedTuple):
    """`width` columns of one glyph in one style."""

    kind: str
    glyph: str
    width: int


def memory_parts(place: DevicePlan) -> list[Part]:
    """What stands in one place: the model's parts, what others hold, and what stays free."""
    found = [*_model_parts(place)]
    if place.total_bytes is None or place.free_bytes is None:
        return found
    in_use = max(place.total_bytes - place.free_bytes, 0)
    found.insert(0, Part("in-use", "in use", "░", in_use))
    left = place.free_bytes - place.components.known
    found.append(Part("free", "free", "·", max(left, 0)))
    return [part for part in found if part.size != 0]


def _model_parts(place: DevicePlan) -> list[Part]:
    parts = place.components
    found = [
        Part("weights", "weights", "█", parts.weights),
        Part("kv-cache", "KV cache", "▓", parts.kv_cache),
        Part("recurrent", "recurrent", "▓", parts.recurrent),
        Part("compute", "compute", "▒", parts.compute),
        Part("projector", "projector", "◆", parts.projector),
        Part("overhead", "overhead", "▚", parts.overhead),
    ]
    return [part for part in found if part.size != 0]


def scale(parts: Sequence[Part], width: int) -> list[Run]:
    """`width` columns shared out to scale (largest remainders), at least one for whatever exists."""
    known = [part for part in parts if part.size]
    total = sum(part.size or 0 for part in known)
    if width < len(known) or not total:
        return []
    exact = [(part.size or 0) / total * width for part in known]
    counts = [max(int(share), 1) for share in exact]
    while sum(counts) > width:
        counts[counts.index(max(counts))] -= 1
    by_rest = sorted(range(len(known)), key=lambda at: exact[at] - int(exact[at]), reverse=True)
    for at in by_rest[: width - sum(counts)]:
        counts[at] += 1
    return [Run(part.kind, part.glyph, count) for part, count in zip(known, counts, strict=True)]


def end_of_memory(parts: Sequence[Part], capacity: int | None, width: int) -> int | None:
    """The column where the memory ends; None when everything fits into it."""
    total = sum(part.size or 0 for part in parts)
    if not capacity or total <= capacity:
        return None
    return min(int(capacity / total * width), width - 1)
