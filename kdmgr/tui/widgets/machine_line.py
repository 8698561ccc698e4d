"""The line at the top: what this is, and the machine it runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from kdmgr.tui.widgets.drawn import MUTED, Drawn, spread
from kdmgr.tui.words import describe_machine

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine


class MachineLine(Drawn):
    """Title on the left; devices, free memory and host on the right."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._machine: Machine | None = None
        self._text = "looking at this machine …"

    def show(self, machine: Machine) -> None:
        """The machine has been found."""
        self._machine = machine
        self.refresh()

    def show_text(self, text: str) -> None:
        """It is being looked at, or could not be."""
        self._machine, self._text = None, text
        self.refresh()

    def draw(self, width: int) -> list[Content]:
        """One line; details give way where it is narrow."""
        title = Content.assemble(("kdmgr", "bold $primary"), (" distilled students", MUTED))
        for text in self._candidates():
            line = Content(text)
            for left in (title, title[:5]):
                if left.cell_length + line.cell_length + 2 <= width:
                    return [spread(left, line, width)]
        return [Content.assemble(title[:5], "  ", line).truncate(width, ellipsis=True)]

    def _candidates(self) -> list[str]:
        if self._machine is None:
            return [self._text]
        return [describe_machine(self._machine), describe_machine(self._machine, short=True)]
