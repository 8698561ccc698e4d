"""The box that questions are typed into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from kdmgr.services.images import find_image_paths
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.words import many_lines


class ChatInput(TextArea):
    """Enter sends, Ctrl+J (or Shift+Enter, where the terminal tells it apart) begins a new line."""

    BINDINGS: ClassVar[list[BindingType]] = identify(
        "chat",
        [
            Binding("enter", "send", "send", tooltip="Send the question", priority=True),
            Binding("ctrl+j,shift+enter", "newline", "new line", tooltip="Begin a new line", priority=True, show=False),
            Binding("up", "up", "edit earlier", tooltip="In an empty box: edit the question before", show=False),
            Binding("down", "down", "edit later", tooltip="While editing: the question after", show=False),
        ],
    )

    @dataclass
    class Sent(Message):
        """A question to ask."""

        text: str

    @dataclass
    class Empty(Message):
        """Enter, and nothing to ask."""

    @dataclass
    class Recalled(Message):
        """An earlier question is wanted back, or a later one."""

        step: int

    @dataclass
    class ImagesPasted(Message):
        """Files were dragged or pasted into the terminal."""

        paths: tuple[str, ...]
        text: str
        """As it came."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id,
            soft_wrap=True,
            show_line_numbers=False,
            highlight_cursor_line=False,
            compact=True,
            placeholder="ask something",
        )
        self.editing = False
        """Whether an earlier question is in the box."""
        # A blinking cursor is a timer, and the app is to rest when nothing moves.
        self.cursor_blink = False

    def action_send(self) -> None:
        """Hand the text over, after the letters that were typed before Enter; whoever takes it clears the box."""
        self.call_later(self._hand_over)

    def _hand_over(self) -> None:
        if self.text.strip():
            self.post_message(self.Sent(self.text.strip()))
        else:
            self.post_message(self.Empty())

    def action_newline(self) -> None:
        """Begin a new line."""
        self.insert("\n")

    def action_up(self) -> None:
        """One line up; out of the box, an earlier question."""
        if self.cursor_at_first_line and (self.editing or not self.text):
            self.post_message(self.Recalled(-1))
        else:
            self.action_cursor_up()

    def action_down(self) -> None:
        """One line down; out of the box, a later question."""
        if self.cursor_at_last_line and self.editing:
            self.post_message(self.Recalled(1))
        else:
            self.action_cursor_down()

    async def _on_paste(self, event: events.Paste) -> None:
        """Pasted text may hold what a terminal would obey; a file that is dragged here comes as its path."""
        event.stop().prevent_default()
        paths = find_image_paths(event.text)
        if paths:
            self.post_message(self.ImagesPasted(paths, event.text))
        else:
            await super()._on_paste(events.Paste(many_lines(event.text)))
