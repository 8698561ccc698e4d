"""The machine place: devices over time, what each loaded model holds, servers, plans against what loads took."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import getters, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content

from kdmgr.errors import KdmgrError
from kdmgr.services.load_history import describe_learning
from kdmgr.services.planning import remote_machine
from kdmgr.tui.courses import Courses
from kdmgr.tui.machine_words import (
    describe_loaded,
    describe_unloaded,
    host_line,
    load_lines,
    loaded_lines,
    notes,
    places,
    places_there,
    title_history,
)
from kdmgr.tui.messages import HostChanged
from kdmgr.tui.messages_machine import HistoryRead, HostsChecked, LoadedSeen, Sampled
from kdmgr.tui.screens.watching import WatchingScreen
from kdmgr.tui.widgets.device_view import DeviceView
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.keyed_table import KeyedTable
from kdmgr.tui.widgets.machine_tables import Asked, HostsTable, LoadedTable, TablePanel, loads_table
from kdmgr.tui.widgets.top_line import TopLine
from kdmgr.tui.words import many_lines, one_line
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kdmgr.services.hosts import ChosenHost, HostCheck
    from kdmgr.services.monitoring import Holding, Loaded, MachineSample
    from kdmgr.tui.ports import AppServices

LOOK_S, HOSTS_S = 3.0, 30.0
"""Seconds between two looks at the machine, and at the servers, while the place is shown."""

_NO_LOADS = "Nothing was loaded through a server yet: the first chat over one is written down here."


class MachineScreen(WatchingScreen):
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
        self._loaded_now: Loaded | None = None
        self._checks: dict[str, HostCheck] = {}
        self._choices: list[ChosenHost] = []

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
        self._look_timer = self.set_interval(self._look_s, self._look, pause=True)
        self._hosts_timer = self.set_interval(HOSTS_S, self.look_at_hosts, pause=True)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._redraw())
        self._show_hosts()
        self.call_after_refresh(self.hosts_panel.table.focus)

    def on_screen_resume(self) -> None:
        """Look at once, and go on looking."""
        self._look_timer.resume()
        self._hosts_timer.resume()
        self.call_after_refresh(self._look_at_all)

    def on_screen_suspend(self) -> None:
        """Nobody watches: rest."""
        self._look_timer.pause()
        self._hosts_timer.pause()

    def _look_at_all(self) -> None:
        self._look()
        self._show_hosts()
        self.look_at_hosts()
        self.look_at_history()

    def _look(self) -> None:
        self.look_at_machine()
        self.look_at_loaded()

    def action_refresh(self) -> None:
        """Look at everything, also at probes that did not answer."""
        self.services.monitor.ask_again()
        self._look_at_all()

    def palette_offers(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """For the palette, wherever it is opened: unload what is loaded, use another server."""
        for held in self._loaded_now.holdings if self._loaded_now else ():
            yield f"Unload {one_line(held.name)}", format_bytes(held.residence.model.size), partial(self._unload, held)
        for host in self._choices:
            yield f"Use the server {one_line(host.words)}", host.address.url, partial(self._use, host)

    # What the workers report

    @on(Sampled)
    def _take_sample(self, message: Sampled) -> None:
        self._sample_now = message.sample
        self._courses.take(message.sample)
        self.top_line.show(message.sample.machine)
        self._show_devices()

    @on(LoadedSeen)
    def _take_loaded(self, message: LoadedSeen) -> None:
        before = self._loaded_now
        self._loaded_now = message.loaded
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
        sample, loaded = self._sample_now, self._loaded_now
        if sample is None:
            return
        there = places_there(remote_machine(loaded.host), loaded) if loaded and loaded.host.is_remote else []
        self.devices.show([*there, *places(sample, loaded, self._courses)], notes(sample))

    def _show_hosts(self) -> None:
        self._choices = self.services.host_book.choices()
        current = self.services.host_book.current.address
        lines = [
            host_line(host, self._checks.get(host.address.url), current=host.address == current)
            for host in self._choices
        ]
        self.hosts_panel.show(lines)

    def _redraw(self) -> None:
        for table in self.query(KeyedTable):
            table.redraw()

    # What the user does

    @on(Asked)
    def _do(self, message: Asked) -> None:
        held = self._find_held(message.key)
        host = next((host for host in self._choices if host.address.url == message.key), None)
        if held is not None and message.action == "unload":
            self._unload(held)
        elif held is not None and message.action == "keep":
            self._ask_how_long(held)
        elif message.action == "add":
            self._ask_for_host()
        elif host is not None and message.action == "use":
            self._use(host)
        elif host is not None and message.action == "remove":
            self._ask_to_remove(host)

    def _find_held(self, key: str) -> Holding | None:
        holdings = self._loaded_now.holdings if self._loaded_now else ()
        return next((held for held in holdings if held.key == key), None)

    @work(group="unload")
    async def _unload(self, held: Holding) -> None:
        self.notify(f"unloading {one_line(held.name)} …", markup=False, timeout=2)
        try:
            done = await self.services.monitor.unload(held)
        except KdmgrError as error:
            self._complain(error)
        else:
            self.notify(one_line(describe_unloaded(done)), markup=False)
        self._look()

    def _ask_how_long(self, held: Holding) -> None:
        from kdmgr.services.memory import parse_keep_time
        from kdmgr.services.monitoring import EMBEDDED
        from kdmgr.tui.screens.form import Field, FormScreen

        if held.holder == EMBEDDED:
            self.notify("It stays loaded as long as its chat is open.", markup=False)
            return
        form = FormScreen(
            f"keep {held.name} loaded",
            [Field("time", "for", "30m", "30s, 90m, 1h30m, 2d or forever")],
            lambda values: parse_keep_time(values["time"], held.name),
            note="From now on, and anew from each answer: 30s, 90m, 1h30m, 2d or forever.",
            done="Keep",
        )

        def keep(values: dict[str, str] | None) -> None:
            if values:
                self._keep(held, values["time"])

        self.app.push_screen(form, keep)

    @work(group="keep")
    async def _keep(self, held: Holding, time: str) -> None:
        try:
            await self.services.monitor.keep(held, time)
        except KdmgrError as error:
            self._complain(error)
        self.look_at_loaded()

    def _use(self, host: ChosenHost) -> None:
        try:
            stays = self.services.host_book.switch(host)
        except KdmgrError as error:
            self._complain(error)
            return
        until = "" if stays else " until kdmgr is left: OLLAMA_HOST or --host decides at its start"
        self.notify(f"The server is {one_line(host.words)} now{until}.", markup=False)
        self._loaded_now = None
        self.loaded_panel.show((), "asking the server …")
        self.app.post_message(HostChanged())
        self._look_at_all()

    def _ask_for_host(self) -> None:
        from kdmgr.tui.screens.form import Field, FormScreen

        book = self.services.host_book
        form = FormScreen(
            "another server",
            [
                Field("name", "name", placeholder="gpu-box"),
                Field("url", "address", placeholder="192.168.1.20, or https://example.com/ollama"),
                Field("gpus", "GPUs", placeholder="RTX 3060 12GB, 2x RTX 3090 (optional)"),
                Field("memory", "host memory", placeholder="64GiB (optional)"),
            ],
            lambda values: book.add(
                values["name"],
                values["url"],
                tuple(gpu.strip() for gpu in values["gpus"].split(",") if gpu.strip()),
                values["memory"] or None,
            ),
            note="What fits there is planned by the GPUs that are named here.",
            done="Add",
        )
        self.app.push_screen(form, lambda values: self._look_at_all() if values else None)

    def _ask_to_remove(self, host: ChosenHost) -> None:
        from kdmgr.tui.screens.confirm import ConfirmScreen

        named = host.named
        if named is None:
            self.notify("Only servers that were given a name can be forgotten.", severity="warning", markup=False)
            return

        def remove(yes: bool | None) -> None:
            if yes:
                try:
                    self.services.host_book.remove(named)
                except KdmgrError as error:
                    self._complain(error)
                self._look_at_all()

        question = f"Forget {one_line(named.name)} ({one_line(named.url)})? Its models stay where they are."
        self.app.push_screen(ConfirmScreen(question, "Forget"), remove)

    def _complain(self, error: KdmgrError) -> None:
        hint = f"\n{error.hint}" if error.hint else ""
        self.notify(many_lines(error.message + hint), severity="error", markup=False)
