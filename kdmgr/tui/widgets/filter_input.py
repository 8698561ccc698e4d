"""The field that filters the table while it is typed into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import Reactive
from textual.widgets import Input

from kdmgr.tui.words import one_line


class FilterInput(Input):
    """Hidden until asked for; Enter and Down go to the table, Escape clears and hides it."""

    # Input's own has everything laid out anew with each key; this one is as wide as its place, whatever is in it.
    virtual_size = Reactive(Size(0, 0), layout=False)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "leave", "to the table", show=False, id="filter.leave"),
        Binding("escape", "clear", "clear the filter", show=False, id="filter.clear"),
    ]

    @dataclass
    class Left(Message):
        """Done typing; the filter stays."""

        by_enter: bool = False

    def __init__(self, *, placeholder: str = "filter by name, quant, teacher, fit …", id: str | None = None) -> None:
        super().__init__(placeholder=placeholder, id=id, compact=True)
        self.cursor_blink = False
        self.display = False

    def open(self) -> None:
        """Show it, with the cursor in it."""
        self.display = True
        # At once, and not when there is time: what was typed behind the key that opens it is for it already.
        self.screen.set_focus(self)

    def show(self, text: str) -> None:
        """A filter that holds already; without one it stays hidden."""
        with self.prevent(Input.Changed):
            self.value = text
        self.display = bool(text)

    def action_leave(self, by_enter: bool = False) -> None:
        """On to the table."""
        self.display = bool(self.value)
        self.post_message(self.Left(by_enter))

    def action_clear(self) -> None:
        """No filter any more."""
        self.value = ""
        self.action_leave()

    def _on_paste(self, event: events.Paste) -> None:
        """Pasted text may hold what a terminal would obey."""
        event.stop().prevent_default()
        super()._on_paste(events.Paste(one_line(event.text)))

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_leave(by_enter=True)
