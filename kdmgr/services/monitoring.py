"""The machine and what is loaded, for somebody who watches: looked at again and again, and cheap each time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdmgr.engines.protocol import EngineModel
from kdmgr.errors import EngineFailed, KdmgrError
from kdmgr.services.memory import Residence, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kdmgr.engines.llamacpp import LlamaCppEngine
    from kdmgr.fit.machine import Host, Machine
    from kdmgr.hardware.cpu_times import CpuTimes
    from kdmgr.services.app import Services
    from kdmgr.services.hosts import ChosenHost
    from kdmgr.services.load_history import LoadHistory

SERVER, EMBEDDED = "server", "embedded"
WITHIN_S = 5.0
"""A server that takes longer to list what it holds is said not to answer; the next look asks it again."""


@dataclass(frozen=True, slots=True)
class MachineSample:
    """This machine at one moment."""

    machine: Machine
    cpu_busy: float | None
    """Share of the time since the sample before, 0 to 1; None for the first, and where the system does not tell."""
    hung: tuple[str, ...] = ()
    """Probes that did not answer in time: the devices are as they were last seen, and not asked any more."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A model in memory, and what holds it."""

    residence: Residence
    holder: str
    """`SERVER`, or `EMBEDDED` for an engine of this kdmgr."""
    worker_pid: int | None = None
    """Of the embedded engine's process."""

    @property
    def name(self) -> str:
        """The model's."""
        return self.residence.model.name

    @property
    def key(self) -> str:
        """Unique among those that are loaded."""
        return f"{self.holder}/{self.name}/{self.worker_pid or ''}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is in memory: of the server of this run, and of the chats of this kdmgr."""

    host: ChosenHost
    holdings: tuple[Holding, ...]
    error: KdmgrError | None = None
    """Why the server could not be asked; the embedded engines could."""

    @property
    def here(self) -> tuple[Holding, ...]:
        """Those in the memory of this machine."""
        return tuple(held for held in self.holdings if held.holder == EMBEDDED or not self.host.is_remote)


@dataclass(frozen=True, slots=True)
class Unloaded:
    """A model that was told to go, and what it held by its own account. Bytes; None is unknown."""

    name: str
    gone: bool
    """False for one that still finishes an answer."""
    size: int | None
    size_vram: int | None


class MachineWatch:
    """Samples of one machine. A driver that hangs is asked once: its thread stays behind each time."""

    def __init__(
        self,
        look: Callable[[], Machine],
        look_at_host: Callable[[], Host],
        read_times: Callable[[], CpuTimes | None],
    ) -> None:
        self._look, self._look_at_host, self._read_times = look, look_at_host, read_times
        self._times: CpuTimes | None = None
        self._last: Machine | None = None
        self._hung: tuple[str, ...] = ()

    def sample(self) -> MachineSample:
        """The machine now. Blocks, at most as long as a probe may take."""
        from kdmgr.hardware.cpu_times import busy_between

        before, self._times = self._times, self._read_times()
        if self._last is not None and self._hung:
            self._last = replace(self._last, host=self._look_at_host())
        else:
            self._last = self._look()
            self._hung = tuple(probe.name for probe in self._last.probes if probe.outcome == "timed out")
        return MachineSample(self._last, busy_between(before, self._times), self._hung)

    def ask_again(self) -> None:
        """Give probes that hung another try."""
        self._hung = ()


class Monitor:
    """What the machine place shows and does."""

    def __init__(self, services: Services, env: Mapping[str, str]) -> None:
        from kdmgr.hardware.cpu import probe_host
        from kdmgr.hardware.cpu_times import read_cpu_times
        from kdmgr.services.machines import look

        self._services = services
        self.watch = MachineWatch(lambda: look(env), probe_host, read_cpu_times)

    def sample(self) -> MachineSample:
        """This machine now; blocks."""
        return self.watch.sample()

    def ask_again(self) -> None:
        """Give probes that hung another try."""
        self.watch.ask_again()

    async def loaded(self) -> Loaded:
        """What is in memory now. Never raises for a server that does not answer."""
        host = self._services.host
        held = [held for engine in self._services.embedded_engines for held in await _held_by(engine)]
        client = self._services.ollama_engine()
        try:
            models = await client.loaded_models(within=WITHIN_S)
        except KdmgrError as error:
            return Loaded(host, tuple(held), error)
        finally:
            await client.close()
        return Loaded(host, (*(Holding(describe(model), SERVER) for model in models), *held))

    async def unload(self, held: Holding) -> Unloaded:
        """Free the memory of a model; `EngineFailed` for an embedded one that answers right now."""
        model = held.residence.model
        if held.holder == EMBEDDED:
            await self._end_worker(held)
            return Unloaded(model.name, True, model.size, model.size_vram)
        from kdmgr.services.memory import stop_model

        stopped = await stop_model(self._services, model.name)
        return Unloaded(model.name, stopped.gone, model.size, model.size_vram)

    async def keep(self, held: Holding, time: str) -> Residence | None:
        """Keep a server's model for `time` ("30m", "forever") from now on; None when it has gone meanwhile."""
        from kdmgr.services.memory import keep_alive, parse_keep_time

        seconds = parse_keep_time(time, held.name)
        return (await keep_alive(self._services, held.name, seconds))[1]

    def history(self) -> LoadHistory:
        """Loads of all models, predicted against actual; blocks."""
        from kdmgr.services.load_history import read_history

        return read_history(self._services, None, limit=20)

    async def _end_worker(self, held: Holding) -> None:
        for engine in list(self._services.embedded_engines):
            if engine.worker_pid == held.worker_pid:
                if engine.busy:
                    raise EngineFailed(f"{held.name} is answering", hint="stop the answer first, with Escape")
                await engine.unload(EngineModel(held.name))


async def _held_by(engine: LlamaCppEngine) -> list[Holding]:
    return [Holding(describe(model), EMBEDDED, engine.worker_pid) for model in await engine.loaded_models()]
