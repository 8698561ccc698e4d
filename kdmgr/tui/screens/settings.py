"""The settings place: what is set for good, the keys, and where kdmgr keeps things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import DataTable, Static

from kdmgr.errors import KdmgrError, UsageError
from kdmgr.services.preferences import KEY_PREFIX
from kdmgr.tui.help_words import describe_keys
from kdmgr.tui.keymap import KnownKey, check_keys, known_keys
from kdmgr.tui.messages import SettingChanged
from kdmgr.tui.screens.form import Field, FormScreen
from kdmgr.tui.widgets.facts import Fact, Facts
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.keyed_table import Cell, KeyedTable, Line
from kdmgr.tui.widgets.setting_tables import KeysTable, SettingAsked, SettingsTable
from kdmgr.tui.widgets.top_line import TopLine
from kdmgr.tui.words import many_lines

if TYPE_CHECKING:
    from kdmgr.services.preferences import Preference, PreferenceValue
    from kdmgr.tui.ports import AppServices


class SettingsScreen(Screen[None]):
    """Each change is written at once; what cannot be is refused where it was typed."""

    CSS_PATH = "settings.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "next part", tooltip="To the next table", id="settings.next"),
        Binding("question_mark", "app.help", "help", key_display="?", tooltip="All keys", id="settings.help"),
    ]

    top_line = getters.query_one(TopLine)
    settings = getters.query_one(SettingsTable)
    keys = getters.query_one(KeysTable)
    setting_note = getters.query_one("#setting-note", Static)
    key_note = getters.query_one("#key-note", Static)
    folders = getters.query_one(Facts)

    def __init__(self, services: AppServices) -> None:
        super().__init__()
        self.services = services

    def compose(self) -> ComposeResult:
        """Settings and folders on the left, keys on the right; below one another where it is narrow."""
        yield TopLine("settings")
        with Horizontal(id="settings-body"):
            with Vertical(id="settings-left"):
                with Vertical(id="settings-panel", classes="panel") as panel:
                    panel.border_title = "settings"
                    yield SettingsTable()
                    yield Static(id="setting-note", classes="note", markup=False)
                with Vertical(id="folders-panel", classes="panel") as panel:
                    panel.border_title = "where things are"
                    yield Facts(label_width=17)
            with Vertical(id="keys-panel", classes="panel") as panel:
                panel.border_title = "keys"
                yield KeysTable()
                yield Static(id="key-note", classes="note", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Everything is at hand."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._redraw())
        self.app.setting_changed_signal.subscribe(self, lambda _: self.show())  # type: ignore[attr-defined]
        self.folders.show([Fact(label, str(path)) for label, path in self.services.preferences.folders()])
        self.settings.focus()

    def on_screen_resume(self) -> None:
        """Another place, or another kdmgr, may have changed something."""
        self.show()

    def show(self) -> None:
        """The settings and keys as they are."""
        self.settings.show([_setting_line(value) for value in self.services.preferences.values()])
        checked = check_keys(self.services.preferences.keys(), known_keys())
        self.keys.show([_key_line(known, checked.accepted) for known in known_keys()])

    @on(DataTable.RowHighlighted)
    def _describe_selected(self) -> None:
        """In full, what the row has no room for."""
        for value in self.services.preferences.values():
            if value.preference.key == self.settings.selected:
                self.setting_note.update(_describe_setting(value))
        for known in known_keys():
            if KEY_PREFIX + known.id == self.keys.selected:
                text = known.text[:1].upper() + known.text[1:]
                self.key_note.update(f"{text}. Works in: {', '.join(known.places)}.")

    def _redraw(self) -> None:
        for table in self.query(KeyedTable):
            table.redraw()

    @on(SettingAsked)
    def _do(self, message: SettingAsked) -> None:
        if message.key.startswith(KEY_PREFIX):
            known = next(known for known in known_keys() if KEY_PREFIX + known.id == message.key)
            self._change_key(known, message.action)
            return
        value = next(one for one in self.services.preferences.values() if one.preference.key == message.key)
        if message.action == "default":
            self._set(message.key, "")
        elif message.action == "edit":
            self._edit(value)
        else:
            self._step(value, 1 if message.action == "next" else -1)

    def _step(self, value: PreferenceValue, by: int) -> None:
        """The next of its choices; of one without, the form."""
        preference = value.preference
        if not preference.choices:
            self._edit(value)
            return
        now = value.value or preference.default
        at = preference.choices.index(now) if now in preference.choices else -by
        self._set(preference.key, preference.choices[(at + by) % len(preference.choices)])

    def _edit(self, value: PreferenceValue) -> None:
        preference = value.preference
        form = FormScreen(
            f"{preference.key}: {preference.summary}",
            [Field("value", "value", value.value or "", preference.default)],
            lambda values: self._accept(preference.key, values["value"]),
            note=_describe_choices(preference),
        )
        self.app.push_screen(form)

    def _change_key(self, known: KnownKey, action: str) -> None:
        if action == "default":
            self._set(KEY_PREFIX + known.id, "")
        elif action == "edit":
            keys = self.services.preferences.keys().get(known.id, known.keys)
            form = FormScreen(
                f"{known.id}: {known.text}",
                [Field("value", "keys", keys, known.keys)],
                lambda values: self._accept_key(known, values["value"]),
                note=f"Several with commas between, like {known.keys},ctrl+s. Left empty: {known.keys}.",
            )
            self.app.push_screen(form)

    def _accept_key(self, known: KnownKey, keys: str) -> None:
        """Raises for a key that another action has."""
        wishes: Mapping[str, str] = {**self.services.preferences.keys(), known.id: keys}
        checked = check_keys(wishes, known_keys())
        if keys.strip() and known.id not in checked.accepted:
            raise UsageError(next(problem for problem in checked.problems if known.id in problem))
        self._accept(KEY_PREFIX + known.id, keys)

    def _accept(self, key: str, text: str) -> None:
        """Write it; raises what a form shows."""
        self.services.preferences.set(key, text)
        self.app.post_message(SettingChanged(key))

    def _set(self, key: str, text: str) -> None:
        try:
            self._accept(key, text)
        except KdmgrError as error:
            hint = f"\n{error.hint}" if error.hint else ""
            self.notify(many_lines(error.message + hint), severity="error", markup=False)


def _describe_setting(value: PreferenceValue) -> str:
    preference = value.preference
    wins = f"\n⚠ {value.overruled_by} is set in the environment, and wins over it." if value.overruled_by else ""
    summary = preference.summary[:1].upper() + preference.summary[1:]
    return f"{summary}. {_describe_choices(preference, left='By default')}{wins}"


def _setting_line(value: PreferenceValue) -> Line:
    preference = value.preference
    shown = Cell(value.value) if value.value is not None else Cell(preference.default, "muted")
    about = f"⚠ {value.overruled_by} wins over it" if value.overruled_by else preference.summary
    tone = "warning" if value.overruled_by else "muted"
    return Line(preference.key, (Cell(preference.key), shown, Cell(about, tone)))


def _key_line(known: KnownKey, own: Mapping[str, str]) -> Line:
    shown = describe_keys(Binding(own.get(known.id, known.keys), ""))
    keys = Cell(f"{shown}  (yours)", "success") if known.id in own else Cell(shown)
    return Line(KEY_PREFIX + known.id, (Cell(known.id), keys, Cell(known.text, "muted")))


def _describe_choices(preference: Preference, *, left: str = "Left empty") -> str:
    default = f"{left}: {preference.default}."
    return f"One of {', '.join(preference.choices)}. {default}" if preference.choices else default
