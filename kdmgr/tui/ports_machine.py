"""What the machine place needs of the services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kdmgr.config import NamedHost
    from kdmgr.services.hosts import ChosenHost, HostCheck
    from kdmgr.services.load_history import LoadHistory
    from kdmgr.services.memory import Residence
    from kdmgr.services.monitoring import Holding, Loaded, MachineSample, Unloaded


class Watching(Protocol):
    """The machine and what is loaded. All raise `KdmgrError` for what a user can meet."""

    def sample(self) -> MachineSample:
        """This machine now; may take seconds."""

    def ask_again(self) -> None:
        """Give probes that hung another try."""

    async def loaded(self) -> Loaded:
        """What is in memory now."""

    async def unload(self, held: Holding, /) -> Unloaded:
        """Free the memory of a model."""

    async def keep(self, held: Holding, time: str, /) -> Residence | None:
        """Keep a model for so long from now on."""

    def history(self) -> LoadHistory:
        """Loads, predicted against actual; reads a database."""


class HostChoosing(Protocol):
    """The servers to choose from."""

    @property
    def current(self) -> ChosenHost:
        """The one that is used."""

    def choices(self) -> list[ChosenHost]:
        """Each once; asks nobody."""

    async def check(self) -> list[HostCheck]:
        """Ask all of them at the same time."""

    def switch(self, host: ChosenHost, /) -> bool:
        """Use another server from now on; whether the next start will too."""

    def add(self, name: str, url: str, gpus: tuple[str, ...] = (), memory: str | None = None) -> NamedHost:
        """Name a server in the config."""

    def remove(self, host: NamedHost, /) -> None:
        """Forget a host of the config."""


class MachineServices(Protocol):
    """The two together."""

    @property
    def monitor(self) -> Watching:
        """The machine and what is loaded."""

    @property
    def host_book(self) -> HostChoosing:
        """The servers to choose from."""
