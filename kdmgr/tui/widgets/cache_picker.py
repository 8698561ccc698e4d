"""The KV cache's type: f16, q8_0 or q4_0."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message

from kdmgr.tui.widgets.context_slider import LABEL_WIDTH
from kdmgr.tui.widgets.drawn import MUTED, Drawn

CHOICES = ("f16", "q8_0", "q4_0")
_CELL = 8


def next_cache_type(current: str) -> str:
    """The choice after `current`."""
    at = CHOICES.index(current) if current in CHOICES else -1
    return CHOICES[(at + 1) % len(CHOICES)]


class CachePicker(Drawn):
    """Three words in a row; the chosen one is marked."""

    @dataclass
    class Picked(Message):
        """The user asked for another type."""

        cache_type: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._chosen: str | None = None

    def show(self, cache_type: str | None) -> None:
        """Mark `cache_type`; None for a model without a plan."""
        self._chosen = cache_type
        self.refresh()

    def draw(self, width: int) -> list[Content]:
        """The label and the choices."""
        label = Content.styled("KV type".ljust(LABEL_WIDTH), MUTED)
        if self._chosen is None:
            return [Content.assemble(label, ("–", MUTED))]
        return [Content.assemble(label, *(self._draw_choice(name) for name in CHOICES))]

    def _draw_choice(self, name: str) -> Content:
        if name == self._chosen:
            return Content.styled(f"● {name}", "bold $accent").pad_right(_CELL - 2 - len(name))
        return Content.styled(f"○ {name}", MUTED).pad_right(_CELL - 2 - len(name))

    def on_click(self, event: events.Click) -> None:
        """Choose what was clicked."""
        at = (event.x - LABEL_WIDTH) // _CELL
        if self._chosen is not None and event.x >= LABEL_WIDTH and at < len(CHOICES):
            self.post_message(self.Picked(CHOICES[at]))
