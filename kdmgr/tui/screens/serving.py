"""What can be done with models in memory, and with the servers that hold them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual import on, work

from kdmgr.errors import KdmgrError
from kdmgr.tui.machine_words import describe_unloaded
from kdmgr.tui.messages import HostChanged
from kdmgr.tui.screens.watching import WatchingScreen
from kdmgr.tui.widgets.machine_tables import Asked
from kdmgr.tui.words import many_lines, one_line
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kdmgr.services.hosts import ChosenHost
    from kdmgr.services.monitoring import Holding, Loaded
    from kdmgr.tui.ports import AppServices


class ServingScreen(WatchingScreen):
    """Unloads models and keeps them loaded; uses, adds and forgets servers."""

    def __init__(self, services: AppServices) -> None:
        super().__init__(services)
        self.loaded_now: Loaded | None = None
        self.choices: list[ChosenHost] = []

    def look(self) -> None:
        """At the machine, and at what is loaded."""
        raise NotImplementedError

    def look_at_all(self) -> None:
        """At the machine, at what is loaded, at the servers and at the history."""
        raise NotImplementedError

    def forget_loaded(self) -> None:
        """Another server has other models in memory."""
        raise NotImplementedError

    def palette_offers(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """For the palette, wherever it is opened: unload what is loaded, use another server."""
        for held in self.loaded_now.holdings if self.loaded_now else ():
            yield f"Unload {one_line(held.name)}", format_bytes(held.residence.model.size), partial(self._unload, held)
        for host in self.choices:
            yield f"Use the server {one_line(host.words)}", host.address.url, partial(self._use, host)

    @on(Asked)
    def _do(self, message: Asked) -> None:
        held = self._find_held(message.key)
        host = next((host for host in self.choices if host.address.url == message.key), None)
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
        holdings = self.loaded_now.holdings if self.loaded_now else ()
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
        self.look()

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
        self.forget_loaded()
        self.app.post_message(HostChanged())
        self.look_at_all()

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
        self.app.push_screen(form, lambda values: self.look_at_all() if values else None)

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
                self.look_at_all()

        question = f"Forget {one_line(named.name)} ({one_line(named.url)})? Its models stay where they are."
        self.app.push_screen(ConfirmScreen(question, "Forget"), remove)

    def _complain(self, error: KdmgrError) -> None:
        hint = f"\n{error.hint}" if error.hint else ""
        self.notify(many_lines(error.message + hint), severity="error", markup=False)
