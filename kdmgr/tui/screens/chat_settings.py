"""The form for a chat's title, system prompt and parameters."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Select, Static, TextArea

from kdmgr.errors import KdmgrError
from kdmgr.services.chatting import ChatSettings
from kdmgr.services.settings_form import FIELDS, read_fields, write_fields
from kdmgr.tui.words import many_lines, one_line

_THINK = (("as the model does", "model"), ("yes", "yes"), ("no", "no"))
_THINKS = {"model": None, "yes": True, "no": False}


class ChatSettingsScreen(ModalScreen[tuple[str, ChatSettings] | None]):
    """Dismissed with title and settings, or None. They hold from the next question on."""

    CSS_PATH = "chat_settings.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel"),
        Binding("ctrl+s", "save", "save", priority=True),
    ]

    def __init__(self, title: str, settings: ChatSettings, own_system: str | None) -> None:
        super().__init__()
        self._title = title
        self._settings = settings
        self._own_system = own_system

    def compose(self) -> ComposeResult:
        """The fields from the top down; empty ones are the model's own."""
        with Vertical(id="settings") as box:
            box.border_title = "this chat"
            with VerticalScroll(can_focus=False):
                yield Label("title")
                yield _field("title", one_line(self._title), "named after its first question")
                yield Label("system prompt")
                yield self._system_area()
                for name, text in write_fields(self._settings).items():
                    with Horizontal(classes="row"):
                        yield Label(name, classes="name")
                        yield _field(name, text, FIELDS[name])
                with Horizontal(classes="row"):
                    yield Label("think", classes="name")
                    chosen = next(word for word, value in _THINKS.items() if value is self._settings.think)
                    yield Select(_THINK, value=chosen, allow_blank=False, compact=True, id="think")
            yield Static("from the next question on · empty: the model's own", id="hint", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Save (Ctrl+S)", id="save", variant="primary", compact=True)
                yield Button("Cancel (Esc)", id="cancel", compact=True)

    def on_mount(self) -> None:
        """Most come for the system prompt."""
        self.query_one(TextArea).focus()

    def action_save(self) -> None:
        """Read the fields; the first that makes no sense gets the cursor."""
        texts = {name: self.query_one(f"#{name}", Input).value for name in FIELDS}
        think = _THINKS[str(self.query_one(Select).value)]
        system = self.query_one(TextArea).text
        try:
            settings = read_fields(texts, system=system, think=think, before=self._settings)
        except KdmgrError as error:
            self._show_error(error)
            return
        self.dismiss((self.query_one("#title", Input).value.strip(), settings))

    @on(Button.Pressed, "#save")
    def _save(self) -> None:
        self.action_save()

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)

    @on(Input.Submitted)
    def _next_field(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_save()

    def _show_error(self, error: KdmgrError) -> None:
        hint = f" ({one_line(error.hint)})" if error.hint else ""
        self.query_one("#hint", Static).update(Content.styled(f"✘ {one_line(error.message)}{hint}", "$error"))
        wrong = next((name for name in FIELDS if error.message.startswith(f"{name} ")), None)
        if wrong is not None:
            self.query_one(f"#{wrong}", Input).focus()

    def _system_area(self) -> TextArea:
        own = one_line(self._own_system or "")
        hint = f"the model's own: {own}" if own else "the model's own, or none"
        area = TextArea(
            many_lines(self._settings.system or ""),
            soft_wrap=True,
            show_line_numbers=False,
            highlight_cursor_line=False,
            compact=True,
            tab_behavior="focus",
            placeholder=hint,
        )
        area.cursor_blink = False
        return area


def _field(name: str, text: str, hint: str) -> Input:
    field = Input(text, placeholder=hint, id=name, compact=True)
    field.cursor_blink = False
    return field
