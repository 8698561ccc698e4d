"""An app that runs, as the tests of single screens drive it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.pilot import Pilot

from kdmgr.tui.app import KdmgrApp
from tests.tui.fakes import FakeServices
from tests.tui.looking import screen_text, until


@dataclass
class Driven:
    """The app, who presses its keys, and what its services are."""

    app: KdmgrApp
    pilot: Pilot[None]
    services: FakeServices

    def text(self) -> str:
        return screen_text(self.app)

    async def see(self, *parts: str) -> None:
        """Wait until all of these are on the screen."""
        await until(self.pilot, lambda: all(part in self.text() for part in parts))
