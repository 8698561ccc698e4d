"""What a conversation is made of: questions, answers that stream in, notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events, getters, on
from textual.app import ComposeResult
from textual.containers import VerticalGroup
from textual.content import Content
from textual.message import Message
from textual.widgets import Collapsible, Markdown, Static

from kdmgr.tui.chat_words import describe_ending, describe_images
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.words import describe_row, many_lines, one_line

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from textual.widgets.markdown import MarkdownStream

    from kdmgr.services.chatting import ChatSession
    from kdmgr.services.live_entries import LiveTurn, Notice
    from kdmgr.services.rows import ModelRow

_MARKS = {"error": ("✘", "$error"), "warning": ("⚠", "$warning"), "note": ("·", "$foreground 75%")}


def build_parser() -> MarkdownIt:
    """Markdown without HTML (it would vanish from what the model said) and without guessed links."""
    from markdown_it import MarkdownIt

    return MarkdownIt("gfm-like", {"html": False, "linkify": False})


class Opening(Static):
    """How a chat begins: the model, who taught it, what runs it."""

    def __init__(self, name: str, session: ChatSession, row: ModelRow | None) -> None:
        facts = f"  {describe_row(row)}" if row is not None else ""
        lines = [Content.assemble((one_line(name), "bold"), (facts, MUTED))]
        if row is not None and row.match is not None:
            lines.append(Content.styled(f"taught by {one_line(row.match.lineage_words)}", MUTED))
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
            text = Content.assemble(text, "\n", (f"▣ {describe_images(turn.images)}", MUTED))
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
    """One answer. What has come of it is fetched by `flush`, which is called a few times a second."""

    body = getters.query_one(Markdown)
    thinking = getters.query_one(Collapsible)
    thoughts = getters.query_one("#thoughts", Static)
    figures = getters.query_one("#figures", Static)

    def __init__(self, turn: LiveTurn) -> None:
        super().__init__()
        self.turn = turn
        self._n_pieces = 0
        self._n_chars = 0
        self._n_thoughts = 0
        self._stream: MarkdownStream | None = None
        self._finished = False

    @property
    def text(self) -> str:
        """All of the answer so far, safe to show and to copy."""
        return many_lines("".join(self.turn.pieces))

    def compose(self) -> ComposeResult:
        """Folded thoughts, the answer, its figures."""
        with Collapsible(title="thinking", collapsed=True):
            yield Static(id="thoughts", markup=False)
        yield Markdown(parser_factory=build_parser, open_links=False)
        yield Static(id="figures", markup=False)

    async def on_mount(self) -> None:
        """An answer that has ended is laid out at once."""
        self.thinking.display = False
        self.figures.display = False
        if self.turn.record is not None:
            await self.finish()
        else:
            self._stream = Markdown.get_stream(self.body)

    async def on_unmount(self) -> None:
        """The screen was closed, perhaps before the answer ended."""
        await self._end_stream()

    async def flush(self) -> None:
        """Show what has come since the last time."""
        self._flush_thoughts()
        if self.turn.record is None and self._stream is not None:
            pieces = self.turn.pieces[self._n_pieces :]
            self._n_pieces += len(pieces)
            piece = "".join(pieces)
            self._n_chars += len(piece)
            if piece:
                await self._stream.write(many_lines(piece))

    async def finish(self) -> None:
        """The answer has ended: show the rest, and how it went; once."""
        if self._finished:
            return
        self._finished = True
        self._flush_thoughts()
        whole = "".join(self.turn.pieces)
        if self._stream is None:
            await self.body.update(many_lines(whole))
        elif rest := whole[self._n_chars :]:
            await self._stream.write(many_lines(rest))
        await self._end_stream()
        figures = describe_ending(self.turn)
        self.figures.update(Content(figures))
        self.figures.display = bool(figures)

    def _flush_thoughts(self) -> None:
        length = sum(map(len, self.turn.thoughts))
        if length > self._n_thoughts:
            self._n_thoughts = length
            self.thinking.display = True
            self.thinking.title = f"thinking · {len(''.join(self.turn.thoughts).split())} words"
            self._show_thoughts()

    async def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.stop()

    @on(Collapsible.Toggled)
    def _show_thoughts(self) -> None:
        """Folded thoughts cost nothing: they are laid out when somebody looks."""
        if not self.thinking.collapsed:
            self.thoughts.update(Content(many_lines("".join(self.turn.thoughts))))
