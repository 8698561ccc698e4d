"""What the app needs of the services: the whole seam between the screens and the rest of kdmgr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kdmgr.tui.ports_chats import ChatServices
from kdmgr.tui.ports_duel import DuelServices
from kdmgr.tui.ports_find import FindServices
from kdmgr.tui.ports_machine import MachineServices
from kdmgr.tui.ports_modelfiles import ModelfileServices
from kdmgr.tui.ports_settings import SettingsServices
from kdmgr.tui.ports_students import StudentServices
from kdmgr.tui.ports_transfers import TransferServices

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.fit.plan import FitReport
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.services.rows import ModelRow


class AppServices(
    StudentServices,
    ChatServices,
    DuelServices,
    FindServices,
    TransferServices,
    ModelfileServices,
    MachineServices,
    SettingsServices,
    Protocol,
):
    """The use cases that the screens call. All raise `KdmgrError` for what a user can meet."""

    def detect_machine(self) -> Machine:
        """Devices and host; may take seconds."""

    def model_rows(self) -> list[ModelRow]:
        """Installed models, and the students of the catalog."""

    async def server_rows(self) -> list[ModelRow]:
        """Models of a server, if one answers."""

    def open_shape(self, row: ModelRow, /) -> tuple[ModelShape, str]:
        """The shape of a model and where it was read from."""

    def machine_elsewhere(self, source: str, /) -> Machine | None:
        """The other computer that would run a model found in `source`; None for this one."""

    def assess(self, shape: ModelShape, source: str, ref: str, machine: Machine, options: RunOptions) -> FitReport:
        """Plan and judge; takes milliseconds and touches nothing."""
