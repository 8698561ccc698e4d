"""The line above the table: what narrows it. A click takes a facet away, or opens the list of all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message

from kdmgr.services.facets import FIT, FITS, Facet
from kdmgr.tui.facet_words import describe_chosen
from kdmgr.tui.views import View
from kdmgr.tui.widgets.drawn import MUTED, Drawn

_GAP = "  "


class FacetBar(Drawn):
    """Chips: `fits`, `installed` and every chosen facet, then a way to the others."""

    @dataclass
    class Toggled(Message):
        """A chip was clicked; None is the one for installed models."""

        facet: Facet | None

    class MoreAsked(Message):
        """The user wants to see all facets."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view = View()
        self._n_fits: int | None = None

    def show(self, view: View, n_fits: int | None) -> None:
        """Draw what narrows the table; `n_fits` of what is left would fit, None while that is not known."""
        self._view, self._n_fits = view, n_fits
        self.set_class(bool(view.facets or view.installed_only), "-narrowed")
        self.refresh()

    def draw(self, width: int) -> list[Content]:
        """One line."""
        chips = [Content.styled(text, "bold $accent" if on else MUTED) for text, on, _ in self._chips()]
        return [Content(_GAP).join(chips).truncate(width, ellipsis=True)]

    def get_content_height(self, *_: object) -> int:
        """Always one line."""
        return 1

    def on_click(self, event: events.Click) -> None:
        """Take away what was clicked, or add it."""
        at, end = event.x - self.styles.padding.left, 0
        for text, _, message in self._chips():
            end += Content(text).cell_length + len(_GAP)
            if at < end:
                self.post_message(message)
                return

    def _chips(self) -> Iterator[tuple[str, bool, Message]]:
        fits = Facet(FIT, FITS)
        on = fits in self._view.facets
        count = "" if self._n_fits is None else f" {self._n_fits}"
        yield f"{'■' if on else '□'} fits{count}", on, self.Toggled(fits)
        yield f"{'■' if self._view.installed_only else '□'} installed", self._view.installed_only, self.Toggled(None)
        for text, facet in describe_chosen(self._view):
            if facet not in (None, fits):
                yield f"■ {text}", True, self.Toggled(facet)
        yield "F more …", False, self.MoreAsked()
