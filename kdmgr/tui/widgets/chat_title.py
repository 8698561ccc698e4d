"""The line at the top of a chat: the model, what runs it, and why that."""

from __future__ import annotations

from textual.content import Content

from kdmgr.tui.widgets.drawn import MUTED, Drawn, spread
from kdmgr.tui.words import one_line


class ChatTitle(Drawn):
    """Model on the left, engine and reason on the right."""

    def __init__(self, model: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._model = model
        self._engine = ""
        self._reason = ""

    def show_engine(self, engine: str, reason: str) -> None:
        """The engine has been chosen."""
        self._engine, self._reason = engine, reason
        self.refresh()

    def draw(self, width: int) -> list[Content]:
        """One line; the reason is cut where it is narrow."""
        left = Content.assemble(("kdmgr", "bold $primary"), (" chat  ", MUTED), (one_line(self._model), "bold"))
        reason = f": {one_line(self._reason)}" if self._reason else ""
        right = Content.assemble((one_line(self._engine), "$accent"), (reason, MUTED))
        room = width - left.cell_length - 2
        return [spread(left, right.truncate(room, ellipsis=True) if room > 8 else Content(""), width)]
