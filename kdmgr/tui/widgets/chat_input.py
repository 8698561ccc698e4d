"""The box that questions are typed into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from kdmgr.tui.words import many_lines


class ChatInput(TextArea):
    """Enter sends, Ctrl+J (or Shift+Enter, where the terminal tells it apart) begins a new line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "send", tooltip="Send the question", priority=True, id="chat.send"),
        Binding(
            "ctrl+j,shift+enter", "newline", "new line", tooltip="Begin a new line", priority=True, id="chat.newline"
        ),
    ]

    @dataclass
    class Sent(Message):
        """A question to ask."""

        text: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id,
            soft_wrap=True,
            show_line_numbers=False,
            highlight_cursor_line=False,
            compact=True,
            placeholder="ask something",
        )
        # A blinking cursor is a timer, and the app is to rest when nothing moves.
        self.cursor_blink = False

    def action_send(self) -> None:
        """Hand the text over; whoever takes it clears the box."""
        if self.text.strip():
            self.post_message(self.Sent(self.text.strip()))

    def action_newline(self) -> None:
        """Begin a new line."""
        self.insert("\n")

    async def _on_paste(self, event: events.Paste) -> None:
        """Pasted text may hold what a terminal would obey."""
        event.stop().prevent_default()
        await super()._on_paste(events.Paste(many_lines(event.text)))
