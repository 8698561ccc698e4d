"""Seed, temperature, length and order of a duel, to ask the same again in another way."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from kdmgr.errors import UsageError
from kdmgr.services.duel import DuelOptions
from kdmgr.services.duel_schedule import Order
from kdmgr.tui.words import one_line

_LABELS = {"seed": "seed", "temperature": "temperature", "n_predict": "tokens at most", "order": "order"}
_ORDERS = ", ".join(order.value for order in Order)


class DuelSettingsScreen(ModalScreen[DuelOptions | None]):
    """Dismissed with the options to ask with."""

    CSS_PATH = "duel_settings.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "cancel")]

    def __init__(self, options: DuelOptions) -> None:
        super().__init__()
        self._options = options

    def compose(self) -> ComposeResult:
        """A field for each, and what is wrong with them."""
        values = {
            "seed": str(self._options.seed),
            "temperature": f"{self._options.temperature:g}",
            "n_predict": str(self._options.n_predict),
            "order": self._options.order.value,
        }
        with Vertical(id="duel-settings") as box:
            box.border_title = "ask both with"
            for key, label in _LABELS.items():
                with Horizontal(classes="field"):
                    yield Static(label, classes="label", markup=False)
                    yield Input(values[key], id=f"field-{key}", compact=True)
            yield Static(f"order: {_ORDERS}; at once only where memory holds both", classes="note", markup=False)
            yield Static(id="wrong", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Take them (Enter)", id="take", variant="primary", compact=True)
                yield Button("Cancel (Esc)", id="cancel", compact=True)

    def on_mount(self) -> None:
        """A blinking cursor is a timer."""
        for field in self.query(Input):
            field.cursor_blink = False

    @on(Input.Submitted)
    @on(Button.Pressed, "#take")
    def _take(self) -> None:
        values = {key: self.query_one(f"#field-{key}", Input).value.strip() for key in _LABELS}
        try:
            self.dismiss(read_options(self._options, values))
        except UsageError as error:
            self.query_one("#wrong", Static).update(one_line(error.message))

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Nothing is changed."""
        self.dismiss(None)


def read_options(options: DuelOptions, values: dict[str, str]) -> DuelOptions:
    """`options` with what was typed; `UsageError` for what is no such value."""
    temperature = _number(values["temperature"], "temperature", float, 0)
    if values["order"] not in list(Order):
        raise UsageError(f"no such order: {values['order']!r}; one of {_ORDERS}")
    return replace(
        options,
        seed=int(_number(values["seed"], "seed", int, 0)),
        temperature=temperature,
        n_predict=int(_number(values["n_predict"], "tokens at most", int, 1)),
        order=Order(values["order"]),
    )


def _number(text: str, label: str, kind: type[int] | type[float], least: int) -> float:
    try:
        value = kind(text)
    except ValueError:
        raise UsageError(f"{label}: {text!r} is no {'whole ' if kind is int else ''}number") from None
    # Also false for what is not a number at all.
    if not least <= value < 1 << 32:
        raise UsageError(f"{label}: {text} is out of range")
    return value
