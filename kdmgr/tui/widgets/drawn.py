"""A widget whose lines are drawn for the width it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

if TYPE_CHECKING:
    from typing import Self

    from textual.geometry import Region, Size

MUTED = "$foreground 65%"


class Drawn(Widget):
    """Subclasses give `draw(width)`; its height follows from the lines."""

    DEFAULT_CSS = """
    Drawn { height: auto; width: 1fr; text-wrap: nowrap; text-overflow: clip; }
    """

    def draw(self, width: int) -> list[Content]:
        """The lines for `width` columns."""
        raise NotImplementedError

    _lines: tuple[int, list[Content]] | None = None
    """What was drawn last, and for which width: the layout asks for the height several times."""

    def render(self) -> Content:
        """All lines, at the width the layout gave."""
        return Content("\n").join(self._draw_once(self.content_size.width))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many rows as there are lines."""
        return len(self._draw_once(width))

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Something has changed: draw anew."""
        self._lines = None
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def redraw(self) -> None:
        """It tells of something else: everything is laid out anew only where that takes another number of lines."""
        before, self._lines = self._lines, None
        layout = before is None or len(self._draw_once(before[0])) != len(before[1])
        super().refresh(layout=layout)

    def _draw_once(self, width: int) -> list[Content]:
        if self._lines is None or self._lines[0] != width:
            self._lines = (width, self.draw(width))
        return self._lines[1]


def spread(left: Content, right: Content, width: int) -> Content:
    """`left` and `right` at the two ends of a line; the right one goes when there is no room."""
    gap = width - left.cell_length - right.cell_length
    if gap < 2:
        return left.truncate(width, ellipsis=True)
    return Content.assemble(left, " " * gap, right)
