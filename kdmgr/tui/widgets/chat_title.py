"""The line at the top of a chat: its title, the model, what runs it. Why that, the conversation begins with."""

from __future__ import annotations

from textual.content import Content

from kdmgr.tui.widgets.drawn import MUTED, Drawn, spread
from kdmgr.tui.words import one_line


class ChatTitle(Drawn):
    """Title and model on the left, the engine on the right."""

    def __init__(self, model: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._model = model
        self._title = ""
        self._engine = ""

    def show_title(self, title: str) -> None:
        """The first question has been asked, or the user has named it."""
        if title != self._title:
            self._title = title
            self.refresh()

    def show_engine(self, engine: str) -> None:
        """The engine has been chosen."""
        self._engine = engine
        self.refresh()

    def draw(self, width: int) -> list[Content]:
        """One line; the title is cut, and where there is no room the engine left away."""
        title = Content.styled(one_line(self._title) or "new chat", "bold" if self._title else MUTED)
        model = Content.assemble(("  ", ""), (one_line(self._model), "$primary"))
        right = Content.styled(one_line(self._engine), "$accent")
        room = width - model.cell_length - right.cell_length - 2
        left = title.truncate(max(room, 8), ellipsis=True) + model
        return [spread(left, right if room >= 8 else Content(""), width)]
