"""All keys, taken from the bindings themselves: those of where one came from first, and found by a word or a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from kdmgr.tui.help_words import Block, narrow
from kdmgr.tui.widgets.filter_input import FilterInput
from kdmgr.tui.widgets.key_list import KeyList
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from textual.dom import DOMNode
    from textual.screen import Screen

    from kdmgr.tui.help_words import Section


class HelpScreen(ModalScreen[None]):
    """A list to read, to search and to close again."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "find", tooltip="Find a key, or what one does", id="help.find"),
        Binding("escape", "close", "close", tooltip="Show all again, then close", id="help.close"),
        Binding("question_mark,q,f1", "dismiss", "close", id="help.dismiss"),
    ]

    filter_input = getters.query_one(FilterInput)
    view = getters.query_one("#help", VerticalScroll)
    keys = getters.query_one(KeyList)
    nothing = getters.query_one("#help-nothing", Static)

    def __init__(self, blocks: Sequence[Block]) -> None:
        super().__init__()
        self._blocks = tuple(blocks)

    def compose(self) -> ComposeResult:
        """The field, and below it headings with their keys."""
        with Vertical(id="help-frame") as frame:
            frame.border_title, frame.border_subtitle = "keys", "/ finds · Esc closes"
            yield FilterInput(placeholder="a key, or a word of what it does …")
            yield Static(id="help-nothing", markup=False)
            with VerticalScroll(id="help"):
                yield KeyList(self._blocks)

    def on_mount(self) -> None:
        """So that the arrow keys scroll."""
        self.nothing.display = False
        self.view.focus()

    def action_filter(self) -> None:
        """Type to find."""
        self.filter_input.open()

    def action_close(self) -> None:
        """Show all again; when all are shown, close."""
        if self.filter_input.value:
            self.filter_input.action_clear()
        else:
            self.dismiss()

    @on(Input.Changed)
    def _find(self, event: Input.Changed) -> None:
        found = narrow(self._blocks, event.value) if event.value.strip() else self._blocks
        self.keys.show(found)
        self.nothing.display = not found
        self.nothing.update(Content(f"Nothing matches “{one_line(event.value)}”. Escape shows all again."))
        self.view.scroll_home(animate=False)

    @on(FilterInput.Left)
    def _leave_filter(self) -> None:
        self.view.focus()


def sections_here(sections: Sequence[Section], screen: Screen[object]) -> list[str]:
    """The titles of those whose keys work on `screen`: its own, and those of the widgets in it."""

    def is_there(owner: type[DOMNode]) -> bool:
        return isinstance(screen, owner) or any(isinstance(node, owner) for node in screen.walk_children())

    there = [section for section in sections if all(is_there(owner) for owner in section.owners)]
    return [section.title for section in sorted(there, key=lambda each: not isinstance(screen, each.owners))]
