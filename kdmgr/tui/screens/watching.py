"""The workers of the machine place: nothing here touches a widget, everything is reported as a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work
from textual.screen import Screen

from kdmgr.errors import KdmgrError
from kdmgr.tui.messages_machine import HistoryRead, HostsChecked, LoadedSeen, Sampled

if TYPE_CHECKING:
    from kdmgr.tui.ports import AppServices


class WatchingScreen(Screen[None]):
    """A screen that can look at the machine, at what is loaded, at the servers and at the history.

    A look that is still under way is not begun again: a driver or a server that hangs is waited for, once.
    """

    def __init__(self, services: AppServices) -> None:
        super().__init__()
        self.services = services
        self._under_way: set[str] = set()

    def look_at_machine(self) -> None:
        """One sample."""
        if self._begin("machine"):
            self._sample()

    def look_at_loaded(self) -> None:
        """What is in memory."""
        if self._begin("loaded"):
            self._ask_loaded()

    def look_at_hosts(self) -> None:
        """Ask every server."""
        if self._begin("hosts"):
            self._check_hosts()

    def look_at_history(self) -> None:
        """Read what was loaded."""
        if self._begin("history"):
            self._read_history()

    def _begin(self, what: str) -> bool:
        free = what not in self._under_way
        self._under_way.add(what)
        return free

    @work(thread=True, group="machine")
    def _sample(self) -> None:
        try:
            self.post_message(Sampled(self.services.monitor.sample()))
        finally:
            self._under_way.discard("machine")

    @work(group="loaded")
    async def _ask_loaded(self) -> None:
        try:
            self.post_message(LoadedSeen(await self.services.monitor.loaded()))
        finally:
            self._under_way.discard("loaded")

    @work(group="hosts")
    async def _check_hosts(self) -> None:
        try:
            self.post_message(HostsChecked(await self.services.host_book.check()))
        finally:
            self._under_way.discard("hosts")

    @work(thread=True, group="history")
    def _read_history(self) -> None:
        try:
            self.post_message(HistoryRead(self.services.monitor.history()))
        except KdmgrError as error:
            self.post_message(HistoryRead(None, error))
        finally:
            self._under_way.discard("history")
