"""The second model of a duel: a list to choose from, the most telling first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from kdmgr.services.opponents import Opponent, propose_opponents
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.words import one_line
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.services.rows import ModelRow


class OpponentScreen(ModalScreen["ModelRow | None"]):
    """Dismissed with the row that was chosen."""

    CSS_PATH = "opponents.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "cancel", "back"),
        Binding("j", "down", "next", show=False),
        Binding("k", "up", "previous", show=False),
    ]

    def __init__(self, row: ModelRow, rows: Sequence[ModelRow]) -> None:
        super().__init__()
        self._row = row
        self._opponents = propose_opponents(row, rows)

    def compose(self) -> ComposeResult:
        """The list; what is not installed cannot be chosen."""
        with Vertical(id="opponents") as box:
            box.border_title = Content(f"compare {one_line(self._row.name)} with")
            box.border_subtitle = "Enter chooses · Esc leaves"
            yield OptionList(*(Option(_describe(one), disabled=one.row is None) for one in self._opponents))

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._opponents[event.option_index].row)

    def action_cancel(self) -> None:
        """Compare nothing."""
        self.dismiss(None)

    def action_down(self) -> None:
        """The next one."""
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        """The one before."""
        self.query_one(OptionList).action_cursor_up()


def _describe(one: Opponent) -> Content:
    facts = [one.why]
    if one.row is not None:
        facts += [one.row.quant] if one.row.quant and one.row.quant not in one.why else []
        facts += [format_bytes(one.row.size_bytes)] if one.row.size_bytes is not None else []
    text = " · ".join(map(one_line, facts)) + (f": {one_line(one.hint)}" if one.hint else "")
    return Content.assemble((one_line(one.name), "bold" if one.row else MUTED), "  ", (text, MUTED))
