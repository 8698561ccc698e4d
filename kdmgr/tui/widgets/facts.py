"""Sentences with a label beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content

from kdmgr.tui.widgets.drawn import MUTED, Drawn
from kdmgr.tui.words import one_line

_LABEL_WIDTH = 9


class Fact(NamedTuple):
    """A label and what it is about, each in its style."""

    label: str
    text: str
    style: str = ""
    label_style: str = MUTED


class Facts(Drawn):
    """Labels in a column, sentences wrapped beside them."""

    def __init__(self, facts: Sequence[Fact] = (), *, label_width: int = _LABEL_WIDTH, id: str | None = None) -> None:
        super().__init__(id=id)
        self._facts = tuple(facts)
        self._label_width = label_width

    def show(self, facts: Sequence[Fact]) -> None:
        """Draw these; without any, the widget takes no room."""
        self._facts = tuple(facts)
        self.display = bool(facts)
        self.redraw()

    def draw(self, width: int) -> list[Content]:
        """A label in front of the first line of each sentence."""
        return draw_facts(self._facts, width, self._label_width)


def draw_facts(facts: Sequence[Fact], width: int, label_width: int = _LABEL_WIDTH) -> list[Content]:
    """The lines of `facts`, for a part of something larger."""
    return [line for fact in facts for line in _draw_fact(fact, label_width, width)]


def _draw_fact(fact: Fact, label_width: int, width: int) -> list[Content]:
    text = Content.styled(one_line(fact.text), fact.style)
    wrapped = text.wrap(max(width - label_width, 12))
    labels = (fact.label, *[""] * len(wrapped))
    return [
        Content.assemble((label.ljust(label_width), fact.label_style), line)
        for label, line in zip(labels, wrapped, strict=False)
    ]
