"""A widget whose lines are drawn for the width it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

if TYPE_CHECKING:
    from textual.geometry import Size

MUTED = "$foreground 65%"


class Drawn(Widget):
    """Subclasses give `draw(width)`; its height follows from the lines."""

    DEFAULT_CSS = """
    Drawn { height: auto; width: 1fr; text-wrap: nowrap; text-overflow: clip; }
    """

    def draw(self, width: int) -> list[Content]:
        """The lines for `width` columns."""
        raise NotImplementedError

    def render(self) -> Content:
        """All lines, at the width the layout gave."""
        return Content("\n").join(self.draw(self.content_size.width))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many rows as there are lines."""
        return len(self.draw(width))


def spread(left: Content, right: Content, width: int) -> Content:
    """`left` and `right` at the two ends of a line; the right one goes when there is no room."""
    gap = width - left.cell_length - right.cell_length
    if gap < 2:
        return left.truncate(width, ellipsis=True)
    return Content.assemble(left, " " * gap, right)
