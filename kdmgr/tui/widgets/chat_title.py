"""The line at the top of a chat: its title, the model, what runs it, and why that."""

from __future__ import annotations

from textual.content import Content

from kdmgr.tui.widgets.drawn import MUTED, Drawn, spread
from kdmgr.tui.words import one_line


class ChatTitle(Drawn):
    """Title and model on the left, engine and reason on the right."""

    def __init__(self, model: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._model = model
        self._title = ""
        self._engine = ""
        self._reason = ""

    def show_title(self, title: str) -> None:
        """The first question has been asked, or the user has named it."""
        if title != self._title:
            self._title = title
            self.refresh()

    def show_engine(self, engine: str, reason: str) -> None:
        """The engine has been chosen."""
        self._engine, self._reason = engine, reason
        self.refresh()

    def draw(self, width: int) -> list[Content]:
        """One line; first the reason gives way, then the title is cut."""
        title = Content.styled(one_line(self._title) or "new chat", "bold" if self._title else MUTED)
        model = Content.assemble(("  ", ""), (one_line(self._model), "$primary"))
        left = title.truncate(max(width - model.cell_length, 8), ellipsis=True) + model
        reason = f": {one_line(self._reason)}" if self._reason else ""
        right = Content.assemble((one_line(self._engine), "$accent"), (reason, MUTED))
        room = width - left.cell_length - 2
        return [spread(left, right.truncate(room, ellipsis=True) if room > 8 else Content(""), width)]
