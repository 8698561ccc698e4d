"""What a conversation is made of: questions, answers that stream in, notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import getters, on
from textual.app import ComposeResult
from textual.containers import VerticalGroup
from textual.content import Content
from textual.widgets import Collapsible, Markdown, Static

from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.words import describe_row, many_lines, one_line

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from textual.widgets.markdown import MarkdownStream

    from kdmgr.errors import KdmgrError
    from kdmgr.services.rows import ModelRow
    from kdmgr.tui.ports import Chat


def build_parser() -> MarkdownIt:
    """Markdown without HTML (it would vanish from what the model said) and without guessed links."""
    from markdown_it import MarkdownIt

    return MarkdownIt("gfm-like", {"html": False, "linkify": False})


class Opening(Static):
    """How a chat begins: the model, who taught it, what runs it."""

    def __init__(self, row: ModelRow, chat: Chat) -> None:
        lines = [Content.assemble((one_line(row.name), "bold"), (f"  {describe_row(row)}", MUTED))]
        if row.match is not None:
            lines.append(Content.styled(f"taught by {one_line(row.match.lineage_words)}", MUTED))
        lines.append(Content.assemble((one_line(chat.engine_name), "$accent"), (f": {one_line(chat.reason)}", MUTED)))
        super().__init__(Content("\n").join(lines), markup=False)


class Question(Static):
    """What the user asked, as typed."""

    def __init__(self, text: str) -> None:
        super().__init__(Content(many_lines(text)), markup=False)


class Note(Static):
    """A remark between the turns: a warning, an error with its hint. `kind` is "warning" or "error"."""

    def __init__(self, text: str, kind: str, hint: str | None = None, *, id: str | None = None) -> None:
        mark = "✘" if kind == "error" else "⚠"
        note = Content.styled(f"{mark} {many_lines(text)}", f"${kind}")
        if hint:
            note = Content.assemble(note, "\n", (f"  {many_lines(hint)}", "$foreground 75%"))
        super().__init__(note, id=id, classes=f"-{kind}", markup=False)

    @classmethod
    def for_error(cls, error: KdmgrError) -> Note:
        """An error in place, with what to do about it."""
        return cls(error.message, "error", error.hint)


class Answer(VerticalGroup):
    """One answer. Pieces are kept until `flush`, which is called a few times a second."""

    body = getters.query_one(Markdown)
    thinking = getters.query_one(Collapsible)
    thoughts = getters.query_one("#thoughts", Static)
    figures = getters.query_one("#figures", Static)

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        """All of the answer so far, safe to show and to copy."""
        self._pending: list[str] = []
        self._thoughts: list[str] = []
        self._shown_thoughts = 0
        self._stream: MarkdownStream | None = None

    def compose(self) -> ComposeResult:
        """Folded thoughts, the answer, its figures."""
        with Collapsible(title="thinking", collapsed=True):
            yield Static(id="thoughts", markup=False)
        yield Markdown(parser_factory=build_parser, open_links=False)
        yield Static(id="figures", markup=False)

    def on_mount(self) -> None:
        """Nothing to show yet."""
        self.thinking.display = False
        self.figures.display = False
        self._stream = Markdown.get_stream(self.body)

    async def on_unmount(self) -> None:
        """The user has left, perhaps before the answer ended."""
        await self._end_stream()

    def add(self, text: str, thinking: str) -> None:
        """A piece has come."""
        if text:
            self._pending.append(text)
        if thinking:
            self._thoughts.append(thinking)

    async def flush(self) -> None:
        """Show what has come since the last time."""
        if len(self._thoughts) > self._shown_thoughts:
            self._shown_thoughts = len(self._thoughts)
            self.thinking.display = True
            self.thinking.title = f"thinking · {len(''.join(self._thoughts).split())} words"
            self._show_thoughts()
        if self._pending and self._stream is not None:
            piece = many_lines("".join(self._pending))
            self._pending.clear()
            self.text += piece
            await self._stream.write(piece)

    async def finish(self, figures: str) -> None:
        """The answer has ended: show the rest, and how it went."""
        await self.flush()
        await self._end_stream()
        self.figures.update(Content(figures))
        self.figures.display = bool(figures)

    async def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.stop()

    @on(Collapsible.Toggled)
    def _show_thoughts(self) -> None:
        """Folded thoughts cost nothing: they are laid out when somebody looks."""
        if not self.thinking.collapsed:
            self.thoughts.update(Content(many_lines("".join(self._thoughts))))
