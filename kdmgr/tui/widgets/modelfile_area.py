"""A text area that knows Modelfiles: their words in colour."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from kdmgr.tui.binding_ids import identify
from kdmgr.tui.modelfile_colors import Span, color_lines
from kdmgr.tui.words import many_lines

_KINDS = ("command", "name", "value", "text", "action", "comment", "bad")


class ModelfileArea(TextArea):
    """Lines are not wrapped, so that marks in the margin stand beside them."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"modelfile-area--{kind}" for kind in _KINDS}
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "modelfile",
        [
            Binding("ctrl+z", "undo", "undo", show=False, tooltip="Undo the last change"),
            Binding("ctrl+y", "redo", "redo", show=False, tooltip="Do it again"),
            Binding("ctrl+home", "first_line", "begin", show=False, tooltip="To the beginning of the text"),
            Binding("ctrl+end", "last_line", "end", show=False, tooltip="To the end of the text"),
        ],
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id,
            soft_wrap=False,
            show_line_numbers=True,
            compact=True,
            tab_behavior="focus",
            highlight_cursor_line=True,
        )
        # A blinking cursor is a timer, and the app is to rest when nothing moves.
        self.cursor_blink = False
        self._colored: tuple[str, list[list[Span]]] = ("", [[]])

    def get_line(self, line_index: int) -> Text:
        """The line, in colours."""
        line = super().get_line(line_index)
        for span in self._spans(line_index):
            style = self.get_component_rich_style(f"modelfile-area--{span.kind}", partial=True)
            line.stylize(style, span.start, span.end)
        return line

    def go_to(self, line: int, column: int) -> None:
        """Put the cursor there; both count from 1."""
        row = min(max(line - 1, 0), self.document.line_count - 1)
        self.move_cursor((row, min(max(column - 1, 0), len(self.document.get_line(row)))), center=True)
        self.focus()

    def action_first_line(self) -> None:
        """To the beginning."""
        self.move_cursor((0, 0))

    def action_last_line(self) -> None:
        """To the end."""
        self.move_cursor(self.document.end)

    def _spans(self, line_index: int) -> list[Span]:
        text = self.document.text
        if self._colored[0] != text:
            self._colored = (text, color_lines("\n".join(self.document.lines)))
        lines = self._colored[1]
        return lines[line_index] if line_index < len(lines) else []

    async def _on_paste(self, event: events.Paste) -> None:
        """Pasted text may hold what a terminal would obey."""
        event.stop().prevent_default()
        await super()._on_paste(events.Paste(many_lines(event.text)))
