"""What the app keeps from one run to the next: how it was left, and the theme and keys that were chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on, work
from textual.app import App
from textual.signal import Signal

from kdmgr.errors import KdmgrError
from kdmgr.services.preferences import KEY_PREFIX
from kdmgr.tui.messages import SettingChanged, StateChanged
from kdmgr.tui.themes import DARK, DEFAULT_VARIABLES, build_themes
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from textual.timer import Timer

    from kdmgr.services.ui_state import Value
    from kdmgr.tui.ports import AppServices

FIRST_FRAME_S = 1 / 30
"""Seconds until the first frame is really shown: what the app draws while it is mounted is not, refreshed or not."""
SETTLE_S = 1.0
"""Seconds without a further change after which one is written."""


class RememberingApp(App[None]):
    """Changes are written when they have settled, and at the end; never by the thread that draws."""

    def __init__(self, services: AppServices, *, theme: str | None = None) -> None:
        super().__init__()
        self.services = services
        self.host_changed_signal: Signal[None] = Signal(self, "host-changed")
        self.setting_changed_signal: Signal[str] = Signal(self, "setting-changed")
        self.own_keys: dict[str, str] = {}
        """Keys that the user chose, by the ids of what they do; those that clash are left out."""
        self.settle_s = SETTLE_S
        self._settling: dict[str, Timer] = {}
        for known in build_themes():
            self.register_theme(known)
        self.theme = theme if theme in self.available_themes else DARK
        self._kept_theme = theme

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our variables, for themes that are not ours."""
        return DEFAULT_VARIABLES

    async def on_mount(self) -> None:
        """From here on what changes is kept."""
        self.theme_changed_signal.subscribe(self, lambda _: self._settle("theme", self._keep_theme))
        self.call_after_refresh(self.read_keys)

    async def on_unmount(self) -> None:
        """Nothing waits for a timer any more."""
        self.services.ui_state.flush()

    @on(StateChanged)
    def _take_state(self, message: StateChanged) -> None:
        self.remember(message.part, message.values)

    def remember(self, part: str, values: Mapping[str, Value]) -> None:
        """Keep how something was left."""
        if self.services.ui_state.remember(part, values):
            self._settle("state", self._write_state)

    @on(SettingChanged)
    def _take_setting(self, message: SettingChanged) -> None:
        """What holds at once; the rest is read when it is needed."""
        if message.key == "theme":
            chosen = next(one.value for one in self.services.preferences.values() if one.preference.key == "theme")
            self._kept_theme = chosen if chosen in self.available_themes else DARK
            self.theme = self._kept_theme
        elif message.key.startswith(KEY_PREFIX):
            self.read_keys()
        self.setting_changed_signal.publish(message.key)

    def read_keys(self) -> None:
        """Take the user's keys; say which cannot be had."""
        from kdmgr.tui.keymap import check_keys, known_keys

        wishes = self.services.preferences.keys()
        if not wishes and not self.own_keys:
            return
        checked = check_keys(wishes, known_keys())
        self.own_keys = checked.accepted
        self.set_keymap(checked.accepted)
        for problem in checked.problems:
            self.notify(one_line(problem), title="keys", severity="warning", timeout=12, markup=False)

    def _settle(self, what: str, act: Callable[[], object]) -> None:
        timer = self._settling.pop(what, None)
        if timer is not None:
            timer.stop()
        self._settling[what] = self.set_timer(self.settle_s, act)

    @work(thread=True, group="state")
    def _write_state(self) -> None:
        self.services.ui_state.flush()

    @work(thread=True, group="theme")
    def _keep_theme(self) -> None:
        theme = self.theme
        if theme == self._kept_theme:
            return
        self._kept_theme = theme
        try:
            self.services.preferences.set("theme", theme)
        except KdmgrError as error:
            message = f"The theme is not kept: {one_line(error.message)}"
            self.call_from_thread(self.notify, message, severity="warning", markup=False)
        else:
            self.post_message(SettingChanged("theme"))
