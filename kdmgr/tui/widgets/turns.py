"""What a conversation is made of: questions, answers that stream in, notes."""

from __future__ import annotations

from asyncio import Lock
from typing import TYPE_CHECKING

from textual import events, getters, on
from textual.app import ComposeResult
from textual.containers import VerticalGroup
from textual.content import Content
from textual.message import Message
from textual.widgets import Collapsible, Static

from kdmgr.tui.chat_words import describe_ending, describe_failure, describe_images
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.widgets.growing_markdown import GrowingMarkdown
from kdmgr.tui.words import describe_row, many_lines, one_line

if TYPE_CHECKING:
    from kdmgr.services.chatting import ChatSession
    from kdmgr.services.live_entries import LiveTurn, Notice
    from kdmgr.services.rows import ModelRow

_MARKS = {"error": ("✘", "$error"), "warning": ("⚠", "$warning"), "note": ("·", "$foreground 75%")}


class Opening(Static):
    """How a chat begins: the model, who taught it, what runs it."""

    def __init__(self, name: str, session: ChatSession, row: ModelRow | None) -> None:
        facts = f"  {describe_row(row)}" if row is not None else ""
        lines = [Content.assemble((one_line(name), "bold"), (facts, MUTED))]
        if row is not None and row.match is not None:
            lines.append(Content.styled(f"teacher: {one_line(row.match.lineage_words)}", MUTED))
        engine, reason = one_line(session.engine_name), f": {one_line(session.reason)}"
        lines.append(Content.assemble((engine, "$accent"), (reason, MUTED)))
        super().__init__(Content("\n").join(lines), markup=False)


class Earlier(Static):
    """Turns that are not laid out until somebody wants to see them."""

    class Wanted(Message):
        """Somebody does."""

    def show(self, n_turns: int) -> None:
        """How many there are; none hides it."""
        self.display = n_turns > 0
        self.update(Content.styled(f"↑ {n_turns} earlier turns: click, or PgUp at the top", MUTED))

    def on_click(self) -> None:
        """Ask for them."""
        self.post_message(self.Wanted())


class Question(Static):
    """What the user asked, as typed; a click takes it back into the box."""

    class Chosen(Message):
        """It is to be asked in another way."""

        def __init__(self, turn: LiveTurn) -> None:
            super().__init__()
            self.turn = turn

    def __init__(self, turn: LiveTurn) -> None:
        text = Content(many_lines(turn.question.strip()))
        if turn.images:
            text = Content.assemble(text, "\n", (describe_images(turn.images), MUTED))
        super().__init__(text, markup=False)
        self.turn = turn

    def on_click(self, event: events.Click) -> None:
        """A second click, so that text can be selected with the first."""
        if event.chain == 2:
            self.post_message(self.Chosen(self.turn))


class Note(Static):
    """A remark between the turns, an error with its hint."""

    def __init__(self, notice: Notice) -> None:
        mark, style = _MARKS[notice.kind]
        note = Content.styled(f"{mark} {many_lines(notice.text)}", style)
        if notice.hint:
            note = Content.assemble(note, "\n", (f"  {many_lines(notice.hint)}", "$foreground 75%"))
        super().__init__(note, classes=f"-{notice.kind}", markup=False)


class Answer(VerticalGroup):
    """One answer. What has come of it is fetched by `flush`, as often as there is time to draw."""

    body = getters.query_one(GrowingMarkdown)
    thinking = getters.query_one(Collapsible)
    thoughts = getters.query_one("#thoughts", Static)
    figures = getters.query_one("#figures", Static)

    def __init__(self, turn: LiveTurn) -> None:
        super().__init__()
        self.turn = turn
        self._n_chars = 0
        self._n_pieces = 0
        self._n_thoughts = 0
        self._finished = False
        self.drawing = Lock()
        """Held while something is laid out: one thing after the other."""

    @property
    def text(self) -> str:
        """All of the answer so far, safe to show and to copy."""
        return many_lines("".join(self.turn.pieces))

    @property
    def is_complete(self) -> bool:
        """Whether the answer has ended and all of it is shown."""
        return self._finished and not self.drawing.locked()

    def compose(self) -> ComposeResult:
        """Folded thoughts, the answer, its figures."""
        with Collapsible(title="thinking", collapsed=True):
            yield Static(id="thoughts", markup=False)
        yield GrowingMarkdown()
        yield Static(id="figures", markup=False)

    async def on_mount(self) -> None:
        """An answer that has ended is laid out at once."""
        self.thinking.display = False
        self.figures.display = False
        if self.turn.record is not None:
            await self.finish()

    async def flush(self) -> None:
        """Show what has come since the last time; returns when it is laid out."""
        async with self.drawing:
            self._flush_thoughts()
            if self.turn.record is None:
                pieces = self.turn.pieces[self._n_pieces :]
                self._n_pieces += len(pieces)
                await self._append("".join(pieces))

    async def finish(self) -> None:
        """The answer has ended: show the rest, and how it went; once."""
        if self._finished:
            return
        self._finished = True
        async with self.drawing:
            self._flush_thoughts()
            await self._append("".join(self.turn.pieces)[self._n_chars :])
            figures = describe_ending(self.turn)
            self.figures.update(Content(figures))
            self.figures.display = bool(figures)
            if (failure := describe_failure(self.turn)) is not None:
                await self.mount(Note(failure))

    async def _append(self, text: str) -> None:
        self._n_chars += len(text)
        if text:
            await self.body.append(many_lines(text))

    def _flush_thoughts(self) -> None:
        length = sum(map(len, self.turn.thoughts))
        if length > self._n_thoughts:
            self._n_thoughts = length
            self.thinking.display = True
            self.thinking.title = f"thinking · {len(''.join(self.turn.thoughts).split())} words"
            self._show_thoughts()

    @on(Collapsible.Toggled)
    def _show_thoughts(self) -> None:
        """Folded thoughts cost nothing: they are laid out when somebody looks."""
        if not self.thinking.collapsed:
            self.thoughts.update(Content(many_lines("".join(self.turn.thoughts))))
