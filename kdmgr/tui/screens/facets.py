"""The list of facets: what the table can be narrowed by, with counts. The table follows while one chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option as Line

from kdmgr.services.facets import Facet
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.widgets.drawn import MUTED, spread

if TYPE_CHECKING:
    from kdmgr.tui.facet_words import Option

WIDTH = 60
"""Of an option, where there is room."""
_FRAME = 8
"""Columns of border, padding and scrollbar around it."""


class FacetsScreen(ModalScreen[None]):
    """Enter, Space or a click chooses an option, or takes it back."""

    CSS_PATH = "facets.tcss"
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "facets",
        [
            Binding("escape,F,q", "dismiss", "close"),
            Binding("space", "choose", "choose", tooltip="Choose the option, or take it back"),
            Binding("j", "move(1)", "next", show=False, id="facets.next"),
            Binding("k", "move(-1)", "previous", show=False, id="facets.previous"),
            Binding("x", "clear", "show all", tooltip="Take all options back"),
        ],
    )

    def __init__(self, options: Callable[[], list[Option]], toggle: Callable[[Facet | None], None]) -> None:
        """`toggle` chooses a facet or takes it back; None takes back all."""
        super().__init__()
        self._options = options
        self._toggle = toggle
        self._shown: list[Option] = []

    def compose(self) -> ComposeResult:
        """One list."""
        yield OptionList(id="facets", markup=False)

    def on_mount(self) -> None:
        """The cursor on the first option."""
        view = self.query_one(OptionList)
        view.border_title, view.border_subtitle = "show only", "Enter chooses · x shows all · Esc closes"
        self._fill()
        view.highlighted = 1

    def on_resize(self) -> None:
        """Other words may have room now."""
        self._fill()

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        facet = self._shown[event.option_index].facet
        if facet is not None:
            self._toggle(facet)
            self._fill(facet)

    def action_choose(self) -> None:
        """As Enter does."""
        self.query_one(OptionList).action_select()

    def action_move(self, by: int) -> None:
        """As the arrows do."""
        view = self.query_one(OptionList)
        if by > 0:
            view.action_cursor_down()
        else:
            view.action_cursor_up()

    def action_clear(self) -> None:
        """Show all again."""
        self._toggle(None)
        self._fill()

    def _fill(self, at: Facet | None = None) -> None:
        """The options anew, the cursor and the place kept."""
        view = self.query_one(OptionList)
        before, top = view.highlighted, view.scroll_offset.y
        self._shown = self._options()
        view.clear_options()
        width = min(WIDTH, self.size.width * 9 // 10 - _FRAME)
        view.add_options([Line(_draw(option, width), disabled=option.facet is None) for option in self._shown])
        found = next((index for index, option in enumerate(self._shown) if at and option.facet == at), before)
        view.highlighted = found
        view.scroll_to(y=top, animate=False)


def _draw(option: Option, width: int) -> Content:
    if option.facet is None:
        return Content.styled(option.label, "bold $primary")
    label = Content.assemble(("■ " if option.chosen else "□ "), option.label)
    label = label.truncate(width - 8, ellipsis=True)
    label = label.stylize("bold $accent") if option.chosen else label
    return spread(label, Content.styled(f"{option.n_rows}", MUTED), width)
