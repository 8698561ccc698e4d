"""One side of a duel: the answer, and its figures below."""

from __future__ import annotations

from textual import getters
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from kdmgr.services.duel import Side
from kdmgr.tui.widgets.drawn import MUTED, Drawn
from kdmgr.tui.words import one_line

LETTERS = {Side.LEFT: "A", Side.RIGHT: "B"}
_MOST_LINES = 2


class PaneFigures(Drawn):
    """Figures on as many lines as they need, two at most."""

    def __init__(self) -> None:
        super().__init__()
        self._text = ""

    def show(self, text: str) -> None:
        """Say this."""
        if text != self._text:
            self._text = text
            self.refresh(layout=True)

    def draw(self, width: int) -> list[Content]:
        """Broken between two figures, never within one."""
        lines = [""]
        for part in self._text.split(" · "):
            joined = f"{lines[-1]} · {part}" if lines[-1] else part
            if len(joined) > width and lines[-1] and len(lines) < _MOST_LINES:
                lines.append(part)
            else:
                lines[-1] = joined
        return [Content.styled(line, MUTED).truncate(max(width, 1), ellipsis=True) for line in lines]


class DuelPane(Vertical):
    """The model's name in the border, what it says, how fast."""

    class Scrolled(Message):
        """The answer was scrolled, by whatever."""

        def __init__(self, pane: DuelPane, y: float) -> None:
            super().__init__()
            self.pane, self.y = pane, y

    said = getters.query_one("#said", Static)
    scroll = getters.query_one(VerticalScroll)
    figures = getters.query_one(PaneFigures)

    def __init__(self, side: Side, name: str) -> None:
        super().__init__(id=f"pane-{side.value}")
        self.side = side
        self._model = name

    def compose(self) -> ComposeResult:
        """The answer scrolls, the figures stay."""
        self.border_title = Content(f"{LETTERS[self.side]}  {one_line(self._model)}")
        with VerticalScroll(can_focus=False):
            yield Static(id="said", markup=False)
        yield PaneFigures()

    def on_mount(self) -> None:
        """Tell of every scrolling, whoever does it."""
        self.watch(self.scroll, "scroll_y", self._tell, init=False)

    def show_engine(self, engine: str) -> None:
        """What runs it."""
        self.border_subtitle = Content(one_line(engine))

    def scroll_to_line(self, y: float) -> None:
        """As far as this one can."""
        self.scroll.scroll_to(y=min(y, self.scroll.max_scroll_y), animate=False)

    def reveal(self, drawn: Content, mark: str) -> None:
        """Scroll so far that the line with `mark` is seen, and one before it."""
        lines = drawn.wrap(max(self.said.content_size.width, 1))
        line = next((at for at, found in enumerate(lines) if mark in found.plain), 0)
        if line >= self.scroll.scroll_y + self.scroll.size.height:
            self.scroll_to_line(line - 1)

    def _tell(self, y: float) -> None:
        self.post_message(self.Scrolled(self, y))
