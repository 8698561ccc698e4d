"""Words over as many lines as they need."""

from __future__ import annotations

from textual.content import Content

from kdmgr.tui.widgets.drawn import Drawn


class Passage(Drawn):
    """Unlike a `Static`, it leaves the others where they are when other words take as many lines."""

    _words = Content()

    def show(self, words: Content) -> None:
        """Say this."""
        self._words = words
        self.redraw()

    def draw(self, width: int) -> list[Content]:
        """The words, wrapped."""
        return self._words.wrap(width)
