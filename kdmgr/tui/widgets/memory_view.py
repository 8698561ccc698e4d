"""The memory of every place, drawn to scale: glyphs, colours and figures."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from kdmgr.fit.plan import DevicePlan
from kdmgr.services.proportions import Part, end_of_memory, memory_parts, scale
from kdmgr.tui.widgets.drawn import MUTED, Drawn, spread
from kdmgr.tui.words import one_line
from kdmgr.units import format_bytes

_LEGEND_COLUMN, _LEGEND_MOST = 21, 24


class MemoryView(Drawn):
    """One bar for each device and one for the host."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._places: tuple[DevicePlan, ...] = ()

    def show(self, places: Sequence[DevicePlan]) -> None:
        """Draw these places."""
        self._places = tuple(places)
        self.redraw()

    def draw(self, width: int) -> list[Content]:
        """For each place its name, its bar and its figures."""
        lines: list[Content] = []
        for place in self._places:
            lines += [Content("")] if lines else []
            lines += _draw_place(place, width)
        return lines


def _draw_place(place: DevicePlan, width: int) -> list[Content]:
    parts = memory_parts(place)
    return [
        _draw_title(place, width),
        _draw_bar(parts, place.total_bytes, width),
        *_draw_legend(parts, width),
        *_draw_missing(place),
    ]


def _draw_title(place: DevicePlan, width: int) -> Content:
    name = "host memory" if place.kind == "host" else one_line(place.name)
    layers = f" · {place.n_layers} layer{'s' if place.n_layers > 1 else ''}" if place.n_layers else ""
    title = Content.assemble((name, "bold"), (layers, MUTED))
    free = f"{format_bytes(place.free_bytes)} free"
    for right in (f"{free} of {format_bytes(place.total_bytes)}", free):
        if title.cell_length + len(right) + 2 <= width:
            return spread(title, Content.styled(right, MUTED), width)
    return title.truncate(width, ellipsis=True)


def _draw_bar(parts: list[Part], capacity: int | None, width: int) -> Content:
    runs = scale(parts, width)
    bar = Content.assemble(*((run.glyph * run.width, f"$memory-{run.kind}") for run in runs))
    end = end_of_memory(parts, capacity, width)
    if end is None:
        return bar
    # What stands right of the mark has no memory to stand in.
    return Content.assemble(bar[:end], ("┃", "bold $error"), bar[end + 1 :])


def _draw_legend(parts: list[Part], width: int) -> list[Content]:
    n_columns = max((width + 1) // _LEGEND_COLUMN, 1)
    column = (width + 1) // n_columns
    cells = [_draw_entry(part, min(column - 1, _LEGEND_MOST)) for part in parts]
    rows = [cells[at : at + n_columns] for at in range(0, len(cells), n_columns)]
    return [Content("").join(cell.pad_right(column - cell.cell_length) for cell in row) for row in rows]


def _draw_entry(part: Part, width: int) -> Content:
    """Glyph, name and size; the name gives way, the size never does."""
    size = "unknown" if part.size is None else format_bytes(part.size)
    label = Content.styled(part.label, MUTED).truncate(width - len(size) - 3, ellipsis=True)
    gap = " " * (width - 2 - label.cell_length - len(size))
    return Content.assemble((part.glyph, f"$memory-{part.kind}"), " ", label, gap, size)


def _draw_missing(place: DevicePlan) -> list[Content]:
    """The sum, where it is more than there is."""
    need, room = place.components.known, place.free_bytes
    if room is None or need <= room:
        return []
    return [Content.styled(f"✘ {format_bytes(need)} needed, {format_bytes(need - room)} more than is free", "$error")]
