"""The quants of one student, from the smallest: size, memory, verdict and speed of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from kdmgr.services.wording import MARKS, short_speed
from kdmgr.tui.widgets.drawn import MUTED, Drawn
from kdmgr.tui.words import COLORS, one_line
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.services.student_story import QuantRung

_QUANT, _SIZE, _FIT, _SPEED = 9, 11, 12, 7


class QuantView(Drawn):
    """A line for each; that of the selected row is marked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rungs: tuple[QuantRung, ...] = ()
        self._basis: str | None = None

    def show(self, rungs: Sequence[QuantRung], basis: str | None) -> None:
        """Draw these, and what their figures follow from."""
        self._rungs, self._basis = tuple(rungs), basis
        self.redraw()

    def draw(self, width: int) -> list[Content]:
        """A head, the quants, and the basis."""
        if not self._rungs:
            return []
        head = f"  {'quant':<{_QUANT}}{'memory':>{_SIZE}}  {'fit':<{_FIT - 2}}{'tok/s':>{_SPEED}}"
        lines = [Content.styled(head, MUTED), *map(_draw_rung, self._rungs)]
        basis = Content.styled(one_line(self._basis or ""), MUTED).wrap(width) if self._basis else []
        return [line.truncate(width, ellipsis=True) for line in lines] + list(basis)


def _draw_rung(rung: QuantRung) -> Content:
    # Without a plan the size of the file is all that is known: it takes more than that.
    size = f"{'' if rung.memory is not None else '>'}{format_bytes(rung.memory or rung.weights)}"
    return Content.assemble(
        ("● ", "bold $accent") if rung.is_here else "  ",
        (f"{rung.quant:<{_QUANT}}", "bold" if rung.is_here else ""),
        f"{size:>{_SIZE}}  ",
        (f"{MARKS[rung.verdict] + ' ' + rung.verdict.value:<{_FIT - 2}}", f"${COLORS[rung.verdict]}"),
        f"{short_speed(rung.speed):>{_SPEED}}",
    )
