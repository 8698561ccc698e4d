"""A desk whose ladders are the real ones."""

from __future__ import annotations

from pathlib import Path

from kdmgr.fit.machine import Machine
from kdmgr.fit.options import RunOptions
from kdmgr.services.app import Services
from kdmgr.services.teacher_ladder import TeacherLadder, build_ladder
from tests.tui.fakes import RTX_3060
from tests.tui.fakes_students import FakeDesk


class PlannedServices(Services):
    """Real services on a declared machine."""

    def machine_of(self, source: str) -> Machine:
        return RTX_3060


class LadderDesk(FakeDesk):
    """Real ladders over an empty store."""

    services: Services

    @classmethod
    def create(cls, folder: Path) -> LadderDesk:
        """Everything it keeps is in `folder`."""
        desk = cls()
        folders = ("KDMGR_DATA_DIR", "KDMGR_CONFIG_DIR", "OLLAMA_MODELS")
        desk.services = PlannedServices.create({name: str(folder / name) for name in folders})
        return desk

    def build_ladder(self, text: str, options: RunOptions) -> TeacherLadder:
        self.ladders.append((text, options))
        return build_ladder(self.services, text, options, None)
