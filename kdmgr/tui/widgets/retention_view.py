"""How much of its teacher's score a student kept, benchmark by benchmark; nothing is averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from kdmgr.tui.bars import share_bar
from kdmgr.tui.widgets.drawn import MUTED, Drawn
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.catalog.retention import Retention

_NAME, _BAR = 18, 12


class RetentionView(Drawn):
    """A bar for each benchmark, or the reason why there is none."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._retention: tuple[Retention, ...] = ()
        self._notes: tuple[str, ...] = ()

    def show(self, retention: Sequence[Retention], notes: Sequence[str]) -> None:
        """Draw these, and how to read them."""
        self._retention, self._notes = tuple(retention), tuple(notes)
        self.redraw()

    def draw(self, width: int) -> list[Content]:
        """The benchmarks, then the notes."""
        lines = [_draw_line(each, width) for each in self._retention]
        for note in self._notes:
            lines += Content.styled(one_line(note), MUTED).wrap(max(width, 12))
        return lines


def _draw_line(each: Retention, width: int) -> Content:
    name = Content(one_line(each.score.benchmark)).truncate(_NAME - 1, ellipsis=True)
    name = name.pad_right(_NAME - name.cell_length)
    scores = f"{each.score.student:g} of {each.score.teacher:g}" if each.score.teacher is not None else ""
    if each.share is None:
        text = f"{each.score.student:g} · {each.why_no_share}"
        return Content.assemble(name, (text, MUTED)).truncate(width, ellipsis=True)
    full, rest = share_bar(each.share, _BAR)
    over = "▸" if each.share > 1 else " "
    line = Content.assemble(
        name, (full, "$success"), (rest, MUTED), over, f"{each.share:>5.0%}", ("  " + scores, MUTED)
    )
    return line.truncate(width, ellipsis=True)
