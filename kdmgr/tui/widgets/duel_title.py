"""The title of a duel: what both are asked with, and whether they answer at once."""

from __future__ import annotations

from textual.content import Content

from kdmgr.tui.widgets.drawn import MUTED, Drawn, spread
from kdmgr.tui.words import one_line


class DuelTitle(Drawn):
    """Options on the left, order and reason on the right."""

    def __init__(self) -> None:
        super().__init__()
        self._options = ""
        self._together: bool | None = None
        self._reason = ""

    def show(self, options: str, together: bool | None, reason: str) -> None:
        """`together` is None before it is known."""
        self._options, self._together, self._reason = options, together, reason
        self.refresh()

    def draw(self, width: int) -> list[Content]:
        """One line; the reason is cut where it is narrow."""
        left = Content.assemble(("duel", "bold"), "  ", one_line(self._options))
        order = {None: "", True: "at once: ", False: "in turn: "}[self._together]
        right = Content.assemble((order, "$accent"), (one_line(self._reason), MUTED))
        room = width - left.cell_length - 2
        return [spread(left, right.truncate(room, ellipsis=True) if room > 8 else Content(""), width)]
