"""The machine place: devices over time, what each loaded model holds, servers, plans against what loads took."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content

from kdmgr.services.load_history import describe_learning
from kdmgr.services.planning import remote_machine
from kdmgr.tui.courses import Courses
from kdmgr.tui.machine_words import (
    describe_loaded,
    host_line,
    load_lines,
    loaded_lines,
    notes,
    places,
    places_there,
    title_history,
)
from kdmgr.tui.messages_machine import HistoryRead, HostsChecked, LoadedSeen, Sampled
from kdmgr.tui.screens.serving import ServingScreen
from kdmgr.tui.widgets.device_view import DeviceView
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.keyed_table import KeyedTable
from kdmgr.tui.widgets.machine_tables import HostsTable, LoadedTable, TablePanel, loads_table
from kdmgr.tui.widgets.top_line import TopLine
from kdmgr.tui.words import many_lines, one_line

if TYPE_CHECKING:
    from kdmgr.services.hosts import HostCheck
    from kdmgr.services.monitoring import MachineSample
    from kdmgr.tui.ports import AppServices

LOOK_S, HOSTS_S = 3.0, 30.0
"""Seconds between two looks at the machine, and at the servers, while the place is shown."""

_NO_LOADS = "Nothing was loaded through a server yet: the first chat over one is written down here."


class MachineScreen(ServingScreen):
    """Looks only while it is shown."""

    CSS_PATH = "machine.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "next part", tooltip="To the next part", id="machine.next"),
        Binding("r", "refresh", "refresh", tooltip="Look at everything now", id="machine.refresh"),
        Binding("question_mark", "app.help", "help", key_display="?", tooltip="All keys", id="machine.help"),
    ]

    top_line = getters.query_one(TopLine)
    devices = getters.query_one(DeviceView)
    loaded_panel = getters.query_one("#loaded", TablePanel)
    hosts_panel = getters.query_one("#hosts", TablePanel)
    loads_panel = getters.query_one("#loads", TablePanel)

    def __init__(self, services: AppServices, *, look_s: float = LOOK_S) -> None:
        super().__init__(services)
        self._look_s = look_s
        self._courses = Courses()
        self._sample_now: MachineSample | None = None
        self._checks: dict[str, HostCheck] = {}

    def compose(self) -> ComposeResult:
        """Devices on the left, tables on the right; below one another where it is narrow."""
        yield TopLine("machine")
        with Horizontal(id="machine-body"):
            with VerticalScroll(id="devices", can_focus=False) as devices:
                devices.border_title = "memory and load"
                yield DeviceView()
            with Vertical(id="machine-tables"):
                yield TablePanel(LoadedTable(), "loaded", "asking the server …", id="loaded")
                yield TablePanel(HostsTable(), "servers", "", id="hosts")
                yield TablePanel(loads_table(), "predicted against actual", "reading the history …", id="loads")
        yield KeyLine()

    def on_mount(self) -> None:
        """Paint first, ask later."""
        self.top_line.show_text("looking at this machine …")
        self.devices.show((), ["looking at this machine …"])
        self._look_timer = self.set_interval(self._look_s, self.look, pause=True)
        self._hosts_timer = self.set_interval(HOSTS_S, self.look_at_hosts, pause=True)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._redraw())
        self._show_hosts()
        self.call_after_refresh(self.hosts_panel.table.focus)

    def on_screen_resume(self) -> None:
        """Look at once, and go on looking."""
        self._look_timer.resume()
        self._hosts_timer.resume()
        self.call_after_refresh(self.look_at_all)

    def on_screen_suspend(self) -> None:
        """Nobody watches: rest."""
        self._look_timer.pause()
        self._hosts_timer.pause()

    def look_at_all(self) -> None:
        """At the machine, at what is loaded, at the servers and at the history."""
        self.look()
        self._show_hosts()
        self.look_at_hosts()
        self.look_at_history()

    def look(self) -> None:
        """At the machine, and at what is loaded."""
        self.look_at_machine()
        self.look_at_loaded()

    def forget_loaded(self) -> None:
        """Another server has other models in memory."""
        self.loaded_now = None
        self.loaded_panel.show((), "asking the server …")

    def action_refresh(self) -> None:
        """Look at everything, also at probes that did not answer."""
        self.services.monitor.ask_again()
        self.look_at_all()

    # What the workers report

    @on(Sampled)
    def _take_sample(self, message: Sampled) -> None:
        self._sample_now = message.sample
        self._courses.take(message.sample)
        self.top_line.show(message.sample.machine)
        self._show_devices()

    @on(LoadedSeen)
    def _take_loaded(self, message: LoadedSeen) -> None:
        before = self.loaded_now
        self.loaded_now = message.loaded
        lines = loaded_lines(message.loaded)
        self.loaded_panel.show(lines, many_lines(describe_loaded(message.loaded)))
        self.loaded_panel.border_title = Content(f"loaded · {one_line(message.loaded.host.words)}")
        self._show_devices()
        if before is not None and {held.key for held in before.holdings} != {line.key for line in lines}:
            self.look_at_history()

    @on(HostsChecked)
    def _take_checks(self, message: HostsChecked) -> None:
        self._checks = {check.host.address.url: check for check in message.checks}
        self._show_hosts()

    @on(HistoryRead)
    def _take_history(self, message: HistoryRead) -> None:
        history = message.history
        if history is None:
            self.loads_panel.show((), f"✘ {one_line(message.error.message if message.error else 'not read')}")
            return
        learned = "\n".join(describe_learning(history))
        self.loads_panel.show(load_lines(history), learned if history.loads else _NO_LOADS)
        self.loads_panel.border_title = title_history(history)

    def _show_devices(self) -> None:
        sample, loaded = self._sample_now, self.loaded_now
        if sample is None:
            return
        there = places_there(remote_machine(loaded.host), loaded) if loaded and loaded.host.is_remote else []
        self.devices.show([*there, *places(sample, loaded, self._courses)], notes(sample))

    def _show_hosts(self) -> None:
        self.choices = self.services.host_book.choices()
        current = self.services.host_book.current.address
        lines = [
            host_line(host, self._checks.get(host.address.url), current=host.address == current)
            for host in self.choices
        ]
        self.hosts_panel.show(lines)

    def _redraw(self) -> None:
        for table in self.query(KeyedTable):
            table.redraw()
