"""The tables of the settings place, with the keys that change their rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from kdmgr.tui.widgets.keyed_table import Heading, KeyedTable

_SETTINGS = (
    Heading("key", "setting", 14),
    Heading("value", "value", 16, grows=True),
    Heading("about", "about", 24, need=1, grows=True),
)
_KEYS = (
    Heading("id", "action", 18, grows=True),
    Heading("keys", "keys", 12, grows=True),
    Heading("about", "about", 12, need=1, grows=True),
)


@dataclass
class SettingAsked(Message):
    """The user wants a setting changed: "edit", "next", "previous" or "default"."""

    action: str
    key: str


class _ChangingTable(KeyedTable):
    def action_change(self, action: str) -> None:
        """Have it done to the selected row."""
        if self.selected is not None:
            self.post_message(SettingAsked(action, self.selected))

    def on_click(self, event: events.Click) -> None:
        """A second click changes what the first one selected."""
        if event.chain == 2:
            self.action_change("edit")


class SettingsTable(_ChangingTable):
    """What is set for good."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "change('edit')", "change", tooltip="Type another value", id="settings.edit"),
        Binding("right,space", "change('next')", "choose", key_display="→", tooltip="Next choice", id="settings.step"),
        Binding("left", "change('previous')", "the choice before", show=False, id="settings.step_back"),
        Binding("d,delete", "change('default')", "default", tooltip="Let the default hold again", id="settings.unset"),
    ]

    def __init__(self) -> None:
        super().__init__(_SETTINGS, id="settings-table")


class KeysTable(_ChangingTable):
    """What each action is done by."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "change('edit')", "change", tooltip="Give the action other keys", id="keys.edit"),
        Binding("d,delete", "change('default')", "default", tooltip="Let the default hold again", id="keys.unset"),
    ]

    def __init__(self) -> None:
        super().__init__(_KEYS, id="keys-table")
