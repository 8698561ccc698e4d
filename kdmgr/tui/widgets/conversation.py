"""The conversation as it scrolls: kept in step with the entries of a chat."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from textual import on
from textual._styles_cache import StylesCache
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Collapsible

from kdmgr.services.live_entries import LiveTurn
from kdmgr.tui.widgets.turns import Answer, Earlier, Note, Opening, Question

if TYPE_CHECKING:
    from kdmgr.services.live_chat import LiveChat
    from kdmgr.services.live_entries import Notice
    from kdmgr.services.rows import ModelRow

_FIRST = 8
"""Entries that are laid out at first: they fill a screen, and an answer is tens of widgets."""
_PAGE = 20
"""Entries that are laid out with each step back."""


class Conversation(VerticalScroll, can_focus=False):
    """Lays out what is new, takes away what is gone, and leaves the rest alone."""

    def __init__(self, chat: LiveChat, row: ModelRow | None) -> None:
        super().__init__(id="log")
        self._chat = chat
        self._row = row
        self._shown: dict[LiveTurn | Notice, list[Widget]] = {}
        self._first = 0
        self._earlier = Earlier(markup=False)
        self._next_flush = 0.0

    def on_mount(self) -> None:
        """Stay at the end while more comes."""
        self.mount(self._earlier)
        self._earlier.display = False
        self.anchor()

    def on_unmount(self) -> None:
        """Nothing of it is kept."""
        _forget_drawn()

    async def sync(self) -> None:
        """Bring the widgets in step with the entries."""
        entries = self._chat.entries
        if self._chat.session is not None and not self.query(Opening):
            await self.mount(Opening(self._chat.name, self._chat.session, self._row), after=self._earlier)
        gone = [entry for entry in self._shown if entry not in entries]
        for widget in [widget for entry in gone for widget in self._shown.pop(entry)]:
            await widget.remove()
        if gone:
            _forget_drawn()
        if not self._shown:
            self._first = max(len(entries) - _FIRST, 0)
        self._first = min(self._first, len(entries))
        new = [entry for entry in entries[self._first :] if entry not in self._shown]
        for entry in new:
            self._shown[entry] = _make(entry)
        if new:
            await self.mount_all([widget for entry in new for widget in self._shown[entry]])
            self.anchor()
        self._earlier.show(self._first)
        for answer in self.answers:
            if answer.turn.record is not None:
                await answer.finish()

    async def flush(self) -> None:
        """Show what has come of the answer that streams. Drawing takes at most half of the time."""
        started = monotonic()
        turn = self._chat.answering
        if turn is None or turn not in self._shown or started < self._next_flush:
            return
        for widget in self._shown[turn]:
            if isinstance(widget, Answer):
                await widget.flush()
        self.call_after_refresh(self._rest, started)

    @property
    def answers(self) -> list[Answer]:
        """Those that are laid out, in order."""
        return list(self.query(Answer))

    def mark(self, turn: LiveTurn | None) -> None:
        """Mark the question that is being edited."""
        for question in self.query(Question):
            question.set_class(question.turn is turn, "-edited")
            if question.turn is turn:
                question.scroll_visible(animate=False)

    def fold(self) -> None:
        """Fold or unfold all thoughts."""
        folds = list(self.query(Collapsible))
        collapsed = not all(fold.collapsed for fold in folds)
        for fold in folds:
            fold.collapsed = collapsed

    async def page(self, pages: int) -> None:
        """Scroll; at the top, bring in earlier turns."""
        if pages < 0 and self.scroll_y <= 0 and self._first:
            await self.show_earlier()
        self.scroll_relative(y=pages * max(self.size.height - 1, 1), animate=False)

    @on(Earlier.Wanted)
    async def show_earlier(self) -> None:
        """Lay out some of the earlier turns; what is seen stays where it is."""
        first = max(self._first - _PAGE, 0)
        entries = self._chat.entries[first : self._first]
        self._first = first
        height = self.virtual_size.height
        made = {entry: _make(entry) for entry in entries}
        self._shown = {**made, **self._shown}
        self.anchor(False)
        await self.mount_all([widget for widgets in made.values() for widget in widgets], after=self._earlier)
        self._earlier.show(first)
        self.call_after_refresh(
            lambda: self.scroll_to(y=self.scroll_y + self.virtual_size.height - height, animate=False)
        )

    def _rest(self, started: float) -> None:
        """A long answer is laid out less often."""
        now = monotonic()
        self._next_flush = now + (now - started)


def _make(entry: LiveTurn | Notice) -> list[Widget]:
    return [Question(entry), Answer(entry)] if isinstance(entry, LiveTurn) else [Note(entry)]


def _forget_drawn() -> None:
    """Let go of the lines of widgets that are gone.

    Textual 8.2 keeps a method's results by its object, so what a thousand widgets drew last is never freed.
    """
    StylesCache.get_inner_outer.cache_clear()
