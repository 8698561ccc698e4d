"""The line at the top of every place: the tabs, and the machine that everything is judged on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual import events
from textual.content import Content
from textual.message import Message

from kdmgr.tui.places import PLACES, Place
from kdmgr.tui.widgets.drawn import MUTED, Drawn, spread
from kdmgr.tui.words import describe_machine, machine_lines

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine

_NAME = "kdmgr"


class TopLine(Drawn):
    """Tabs on the left; devices, free memory and host on the right, as far as there is room."""

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, mode: str) -> None:
            super().__init__()
            self.mode = mode

    class Shown(Message):
        """A line that knows of no badges and no machine yet."""

        def __init__(self, line: TopLine) -> None:
            super().__init__()
            self.line = line

    def __init__(self, mode: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._mode = mode
        self._machine: Machine | None = None
        self._text = ""
        self._badges: dict[str, str] = {}

    def on_mount(self) -> None:
        """Ask for the badges there are, and the machine if it has been found."""
        self.post_message(self.Shown(self))

    def show(self, machine: Machine) -> None:
        """The machine has been found."""
        before, self._machine = self._candidates(), machine
        self.tooltip = Content(describe_machine(machine))
        if self._candidates() != before:
            self.refresh()

    def show_text(self, text: str) -> None:
        """It is being looked at, or could not be."""
        self._machine, self._text = None, text
        self.refresh()

    def show_badge(self, mode: str, badge: str) -> None:
        """A few characters beside a tab's title: what goes on there; "" for nothing."""
        if self._badges.get(mode, "") != badge:
            self._badges[mode] = badge
            self.refresh()

    def draw(self, width: int) -> list[Content]:
        """One line; the machine's details give way first, then the titles of other tabs."""
        for short in (False, True):
            tabs = self._draw_tabs(short)
            for text in self._candidates():
                if tabs.cell_length + Content(text).cell_length + 2 <= width:
                    return [spread(tabs, Content(text), width)]
            if tabs.cell_length <= width:
                return [tabs]
        return [self._draw_tabs(True).truncate(width, ellipsis=True)]

    def on_click(self, event: events.Click) -> None:
        """Go to the tab under the pointer."""
        at = event.x - self.styles.padding.left
        for short in (False, True):
            if self._draw_tabs(short).cell_length <= self.content_size.width or short:
                self._choose(at, short)
                return

    def _choose(self, at: int, short: bool) -> None:
        end = len(_NAME) + 1
        for number, place in enumerate(PLACES, 1):
            start, end = end, end + len(self._label(number, place, short))
            if start <= at < end:
                self.post_message(self.Chosen(place.mode))
                return

    def _draw_tabs(self, short: bool) -> Content:
        return Content.assemble((_NAME, "bold $primary"), " ", *self._tabs(short))

    def _tabs(self, short: bool) -> Iterator[tuple[str, str]]:
        for number, place in enumerate(PLACES, 1):
            here = place.mode == self._mode
            yield self._label(number, place, short), "bold $foreground on $panel" if here else MUTED

    def _label(self, number: int, place: Place, short: bool) -> str:
        title = place.title if not short or place.mode == self._mode else place.title[:4]
        badge = self._badges.get(place.mode, "")
        return f" {number} {title}{' ' + badge if badge else ''} "

    def _candidates(self) -> list[str]:
        if self._machine is None:
            return [self._text]
        return machine_lines(self._machine)
