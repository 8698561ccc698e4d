"""Devices and host of a machine: memory to scale, and how memory and load have gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content

from kdmgr.services.proportions import Part, scale
from kdmgr.tui.bars import sparkline
from kdmgr.tui.widgets.drawn import MUTED, Drawn, spread
from kdmgr.tui.words import one_line
from kdmgr.units import format_bytes

_MOST_POINTS, _LEAST_POINTS = 30, 6


class Gauge(NamedTuple):
    """A course of shares with its last value; without one, why there is none."""

    label: str
    points: tuple[float, ...]
    now: float | None
    style: str
    missing: str = ""


class Place(NamedTuple):
    """One device, or the host."""

    name: str
    room: str
    """Its figures in short: free of total."""
    parts: list[Part]
    gauges: tuple[Gauge, ...] = ()
    note: str = ""


class DeviceView(Drawn):
    """One block for each place, drawn when it is told to."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._places: tuple[Place, ...] = ()
        self._notes: tuple[str, ...] = ()

    def show(self, places: Sequence[Place], notes: Sequence[str] = ()) -> None:
        """Draw these; `notes` stand below."""
        grown = [(len(place.parts), place.note != "") for place in self._places], len(self._notes)
        before = self._places, self._notes
        self._places, self._notes = tuple(places), tuple(notes)
        if (self._places, self._notes) == before:
            return
        now = [(len(place.parts), place.note != "") for place in self._places], len(self._notes)
        self.refresh(layout=grown != now)

    def draw(self, width: int) -> list[Content]:
        """Name and figures, bar, legend, courses."""
        lines: list[Content] = []
        for place in self._places:
            lines += [Content("")] if lines else []
            lines += _draw_place(place, width)
        if self._notes:
            lines += [Content("")] if lines else []
            for note in self._notes:
                lines += Content.styled(one_line(note), MUTED).wrap(max(width, 12))
        return lines


def _draw_place(place: Place, width: int) -> list[Content]:
    bar = Content.assemble(*((run.glyph * run.width, f"$memory-{run.kind}") for run in scale(place.parts, width)))
    room = Content.styled(place.room, MUTED)
    name = Content.styled(one_line(place.name), "bold").truncate(max(width - room.cell_length - 2, 8), ellipsis=True)
    lines = [
        spread(name, room, width),
        *([bar] if place.parts else []),
        *_draw_legend(place.parts, width),
        *_draw_gauges(place.gauges, width),
    ]
    note = Content.styled(one_line(place.note), MUTED).wrap(max(width, 12)) if place.note else []
    return [*lines, *note]


def _draw_legend(parts: Sequence[Part], width: int) -> list[Content]:
    """Beside one another as far as they fit, then on further lines; what is free stands above already."""
    lines: list[Content] = []
    for part in parts:
        size = "" if part.kind == "unknown" else format_bytes(part.size)
        entry = Content.assemble((part.glyph, f"$memory-{part.kind}"), (f" {part.label} ", MUTED), size)
        if lines and lines[-1].cell_length + 3 + entry.cell_length <= width:
            lines[-1] = Content.assemble(lines[-1], "   ", entry)
        elif part.kind != "free" or not lines:
            lines.append(entry.truncate(width, ellipsis=True))
    return lines


def _draw_gauges(gauges: Sequence[Gauge], width: int) -> list[Content]:
    """In one line where each gets a course worth the name, else below one another."""
    if not gauges:
        return []
    each = (width + 2) // len(gauges) - 2
    if each >= 7 + _LEAST_POINTS + 6:
        cells = [_draw_gauge(gauge, each) for gauge in gauges]
        padded = [cell.pad_right(max(each + 2 - cell.cell_length, 0)) for cell in cells[:-1]]
        return [Content.assemble(*padded, cells[-1])]
    return [_draw_gauge(gauge, width) for gauge in gauges]


def _draw_gauge(gauge: Gauge, width: int) -> Content:
    label = (f"{gauge.label:<7}", MUTED)
    if gauge.now is None:
        return Content.assemble(label, (gauge.missing or "?", MUTED)).truncate(width, ellipsis=True)
    room = min(width - 7 - 6, _MOST_POINTS)
    course = sparkline(gauge.points, room, top=1.0)
    return Content.assemble(label, (course, gauge.style), (" " * max(room - len(course), 0), ""), f" {gauge.now:>4.0%}")
