"""A frame with words in its edges that change often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region

if TYPE_CHECKING:
    from typing import Self


class TitledFrame(Vertical):
    """When only its words change, what stands in it is not drawn again."""

    _titles = ("", "")
    _only_edges = False

    def show_titles(self, title: str, subtitle: str = "") -> None:
        """Say these in the upper and the lower edge."""
        if (title, subtitle) == self._titles:
            return
        self._titles = (title, subtitle)
        self._only_edges = True
        self.border_title, self.border_subtitle = Content(title), Content(subtitle)
        self._only_edges = False

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Something has changed; of new titles only the edges have."""
        edges = self._edges() if self._only_edges else regions
        return super().refresh(*edges, repaint=repaint, layout=layout, recompose=recompose)

    def _edges(self) -> tuple[Region, ...]:
        """Seen from the content, as regions are."""
        width, height = self.outer_size
        left, top = -self.gutter.left, -self.gutter.top
        return Region(left, top, width, 1), Region(left, top + height - 1, width, 1)
