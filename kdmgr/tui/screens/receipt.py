"""A receipt, to read: where a model came from, its digests, who taught it, what has become of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from kdmgr.tui.binding_ids import identify
from kdmgr.tui.receipt_words import LABEL_WIDTH, story_facts
from kdmgr.tui.widgets.facts import Facts
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.services.receipt_story import ReceiptStory


class ReceiptScreen(ModalScreen[None]):
    """A list to read, to copy and to close again."""

    CSS_PATH = "receipt.tcss"
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "receipt",
        [
            Binding("c", "copy", "copy", tooltip="Copy the receipt"),
            Binding("escape,enter,q", "close", "close", key_display="Esc", tooltip="Back to the transfers"),
        ],
    )

    def __init__(self, story: ReceiptStory) -> None:
        super().__init__()
        self._story = story

    def compose(self) -> ComposeResult:
        """One list."""
        with VerticalScroll(id="receipt") as view:
            view.border_title = Content(one_line(f"receipt of {self._story.receipt.name}"))
            view.border_subtitle = "c copies · Esc closes"
            yield Facts(story_facts(self._story), label_width=LABEL_WIDTH)

    def on_mount(self) -> None:
        """So that the arrow keys scroll."""
        self.query_one("#receipt").focus()

    def action_copy(self) -> None:
        """All of it, a field a line."""
        lines = (f"{fact.label}: {one_line(fact.text)}" for fact in story_facts(self._story))
        self.app.copy_to_clipboard("\n".join(lines))
        self.notify("The receipt is copied.", markup=False)

    def action_close(self) -> None:
        """Back."""
        self.dismiss()
