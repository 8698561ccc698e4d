"""What an edited Modelfile changes, under which name, and whether to apply it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import getters, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from kdmgr.errors import KdmgrError
from kdmgr.services.modelfile_desk import Reviewed
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.words import many_lines, one_line

if TYPE_CHECKING:
    from kdmgr.services.model_parts import ShownModelfile
    from kdmgr.tui.ports import AppServices

_COLORS = {"+": "$success", "-": "$error", "@": "$primary"}
_MOST_LINES = 400


class ReviewScreen(ModalScreen[Reviewed | None]):
    """Dismissed with what is to be applied; None for nothing. The name begins as the model's own: in place."""

    CSS_PATH = "modelfile.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", tooltip="Back to the text; nothing is applied"),
    ]

    diff = getters.query_one("#diff-text", Static)
    changes = getters.query_one("#changes", Static)
    question = getters.query_one("#question", Static)
    field = getters.query_one(Input)
    go = getters.query_one("#apply", Button)

    @dataclass
    class Found(Message):
        """What applying as `name` would mean, or why it cannot be told."""

        name: str
        reviewed: Reviewed | None
        error: KdmgrError | None = None

    def __init__(self, services: AppServices, shown: ShownModelfile, text: str) -> None:
        super().__init__()
        self._services = services
        self._shown = shown
        self._text = text
        self._reviewed: Reviewed | None = None

    def compose(self) -> ComposeResult:
        """The difference, the name, the question."""
        with Vertical(id="review") as box:
            box.border_title = "apply"
            with VerticalScroll(id="diff"):
                yield Static(id="diff-text", markup=False)
            yield Static(id="changes", markup=False)
            with Horizontal(id="name-line"):
                yield Label("apply as")
                yield Input(one_line(self._shown.name), compact=True)
            yield Static("comparing …", id="question", markup=False)
            with Horizontal(id="answers"):
                yield Button("Back (Esc)", id="back", compact=True)
                yield Button("Apply", id="apply", variant="primary", compact=True, disabled=True)

    def on_mount(self) -> None:
        """Look at the name that is there."""
        self.field.cursor_blink = False
        self.field.focus()
        self.review(self.field.value)

    @on(Input.Changed)
    def _rename(self) -> None:
        self._reviewed, self.go.disabled = None, True
        self.review(self.field.value.strip())

    @on(Input.Submitted)
    def _to_the_button(self) -> None:
        """Enter in the field applies nothing: it leads to the button."""
        if not self.go.disabled:
            self.go.focus()

    @work(exclusive=True, group="review")
    async def review(self, name: str) -> None:
        """Compare, and look whether the name is taken."""
        try:
            reviewed = await self._services.modelfile_desk.review(self._shown, self._text, name)
        except KdmgrError as error:
            self.post_message(self.Found(name, None, error))
        else:
            self.post_message(self.Found(name, reviewed))

    @on(Found)
    def _take(self, message: Found) -> None:
        if message.name != self.field.value.strip():
            return
        if message.error is not None or message.reviewed is None:
            self.question.update(Content.styled(one_line(str(message.error)), "$error"))
            return
        self._reviewed = message.reviewed
        self._show(message.reviewed)

    def _show(self, reviewed: Reviewed) -> None:
        difference = reviewed.difference
        lines = [_color(line) for line in difference.lines[:_MOST_LINES]]
        self.diff.update(Content("\n").join(lines) if lines else Content.styled("both read alike", MUTED))
        self.changes.update(Content("\n").join([Content(one_line(change.sentence)) for change in difference.changes]))
        useless = difference.is_empty and reviewed.taken
        self.go.disabled = useless
        self.go.label = "Replace" if reviewed.taken else "Make"
        self.go.variant = "error" if reviewed.taken else "primary"
        self.question.update(_ask(reviewed, useless))

    @on(Button.Pressed, "#apply")
    def _apply(self) -> None:
        self.dismiss(self._reviewed)

    @on(Button.Pressed, "#back")
    def action_leave(self) -> None:
        """Nothing is applied."""
        self.dismiss(None)


def _ask(reviewed: Reviewed, useless: bool) -> Content:
    name = one_line(reviewed.name)
    where = "kdmgr's own store" if reviewed.target == "own" else "the server"
    if useless:
        return Content.styled("Nothing has changed: there is nothing to apply.", MUTED)
    if reviewed.taken:
        return Content.styled(f"Replace {name} in {where} by this?", "$warning")
    return Content(f"Make the new model {name} in {where}? It shares the weights.")


def _color(line: str) -> Content:
    return Content.styled(many_lines(line), _COLORS.get(line[:1], ""))
