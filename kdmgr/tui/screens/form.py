"""A few fields to fill in, over the screen that asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from kdmgr.errors import KdmgrError
from kdmgr.tui.words import one_line


class Field(NamedTuple):
    """One line to type into."""

    key: str
    label: str
    value: str = ""
    placeholder: str = ""


class SafeInput(Input):
    """A line of text; what is pasted cannot hold what a terminal would obey."""

    def _on_paste(self, event: events.Paste) -> None:
        event.stop().prevent_default()
        super()._on_paste(events.Paste(one_line(event.text)))


class FormScreen(ModalScreen[dict[str, str] | None]):
    """Dismissed with the values once `accept` has taken them; what it raises is shown, and the form stays."""

    CSS_PATH = "form.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", id="form.cancel"),
    ]

    def __init__(
        self,
        title: str,
        fields: Sequence[Field],
        accept: Callable[[Mapping[str, str]], object],
        *,
        note: str = "",
        done: str = "Save",
    ) -> None:
        super().__init__()
        self._title, self._fields, self._accept = title, tuple(fields), accept
        self._note, self._done = note, done

    def compose(self) -> ComposeResult:
        """Label and field for each, what is wrong with them, and two buttons."""
        with Vertical(id="form") as box:
            box.border_title = one_line(self._title)
            for field in self._fields:
                with Horizontal(classes="field"):
                    yield Static(field.label, classes="label", markup=False)
                    yield self._input(field)
            if self._note:
                yield Static(self._note, classes="note", markup=False)
            yield Static(id="form-error", markup=False)
            with Horizontal(id="form-buttons"):
                yield Button(f"{self._done} (Enter)", id="accept", variant="primary", compact=True)
                yield Button("Cancel (Esc)", id="cancel", compact=True)

    def _input(self, field: Field) -> Input:
        found = SafeInput(field.value, placeholder=field.placeholder, id=f"field-{field.key}", compact=True)
        found.cursor_blink = False
        return found

    @property
    def values(self) -> dict[str, str]:
        """What stands in the fields."""
        return {field.key: self.query_one(f"#field-{field.key}", Input).value.strip() for field in self._fields}

    @on(Input.Submitted)
    @on(Button.Pressed, "#accept")
    def _submit(self) -> None:
        try:
            self._accept(self.values)
        except KdmgrError as error:
            hint = f"\n{error.hint}" if error.hint else ""
            self.query_one("#form-error", Static).update(one_line(error.message) + hint)
        else:
            self.dismiss(self.values)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Nothing is changed."""
        self.dismiss(None)
