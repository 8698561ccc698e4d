"""A machine that is watched, and servers to choose from, without either."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from kdmgr.config import NamedHost
from kdmgr.engines.ollama.host import parse_host
from kdmgr.engines.protocol import EngineStatus, LoadedModel
from kdmgr.errors import KdmgrError
from kdmgr.services.hosts import CONFIG, DEFAULT, ChosenHost, HostCheck
from kdmgr.services.load_history import LoadHistory
from kdmgr.services.memory import Residence, describe
from kdmgr.services.monitoring import SERVER, Holding, Loaded, MachineSample, Unloaded
from tests.support.machines import GIB, gpu, machine

LOCAL = ChosenHost(parse_host(""), DEFAULT)
BOX = ChosenHost(
    parse_host("192.0.2.7"), CONFIG, NamedHost("gpu-box", "http://192.0.2.7:11434", ("RTX 3060 12GB",), 64 * GIB)
)
NOTHING = LoadHistory((), (), None, None, None, ())


def held(name: str, gib: float, *, vram: float, left_s: float = 300, holder: str = SERVER) -> Holding:
    """A loaded model of so many GiB, so many of them on the GPU."""
    expires = datetime.now(UTC) + timedelta(seconds=left_s)
    model = LoadedModel(name, int(gib * GIB), int(vram * GIB), 8192, expires)
    return Holding(describe(model), holder)


@dataclass
class FakeMonitor:
    """A card of 12 GiB, and models that can be unloaded."""

    sample_now: MachineSample = field(
        default_factory=lambda: MachineSample(machine(replace(gpu(6, total_gib=12), busy=0.5), available_gib=24), 0.25)
    )
    holdings: list[Holding] = field(default_factory=list)
    host: ChosenHost = LOCAL
    error: KdmgrError | None = None
    unload_error: KdmgrError | None = None
    history_now: LoadHistory = NOTHING
    history_error: KdmgrError | None = None
    release: asyncio.Event | None = None
    """What is loaded is told only after it."""
    n_samples: int = 0
    n_loaded: int = 0
    kept: list[tuple[str, str]] = field(default_factory=list)
    n_asked_again: int = 0

    def sample(self) -> MachineSample:
        self.n_samples += 1
        return self.sample_now

    def ask_again(self) -> None:
        self.n_asked_again += 1

    async def loaded(self) -> Loaded:
        self.n_loaded += 1
        if self.release is not None:
            await self.release.wait()
        return Loaded(self.host, tuple(self.holdings), self.error)

    async def unload(self, held: Holding) -> Unloaded:
        if self.unload_error is not None:
            raise self.unload_error
        self.holdings = [one for one in self.holdings if one.key != held.key]
        return Unloaded(held.name, True, held.residence.model.size, held.residence.model.size_vram)

    async def keep(self, held: Holding, time: str) -> Residence | None:
        self.kept.append((held.name, time))
        return held.residence

    def history(self) -> LoadHistory:
        if self.history_error is not None:
            raise self.history_error
        return self.history_now


@dataclass
class FakeHostBook:
    """Servers, of which those without a version do not answer."""

    hosts: list[ChosenHost] = field(default_factory=lambda: [LOCAL, BOX])
    current: ChosenHost = LOCAL
    versions: dict[str, str] = field(default_factory=lambda: {LOCAL.address.url: "0.30.1"})
    switch_error: KdmgrError | None = None
    added: list[tuple[str, str, tuple[str, ...], str | None]] = field(default_factory=list)

    def choices(self) -> list[ChosenHost]:
        return list(self.hosts)

    async def check(self) -> list[HostCheck]:
        return [self._check(host) for host in self.hosts]

    def _check(self, host: ChosenHost) -> HostCheck:
        version = self.versions.get(host.address.url)
        detail = f"Ollama {version}" if version else "no server answers"
        status = EngineStatus("ollama", bool(version), detail, version=version, reason=None if version else "refused")
        return HostCheck(host, host == self.current, status, 0.01, 3 if version else None)

    def switch(self, host: ChosenHost) -> bool:
        if self.switch_error is not None:
            raise self.switch_error
        self.current = host
        return True

    def add(self, name: str, url: str, gpus: tuple[str, ...] = (), memory: str | None = None) -> NamedHost:
        if not name:
            raise KdmgrError("a host cannot be called ''", hint="letters and digits")
        self.added.append((name, url, gpus, memory))
        named = NamedHost(name, url, gpus)
        self.hosts.append(ChosenHost(parse_host(url), CONFIG, named))
        return named

    def remove(self, host: NamedHost) -> None:
        self.hosts = [one for one in self.hosts if one.named != host]


@dataclass
class FakeMachinePlace:
    """What the machine place needs."""

    monitor: FakeMonitor = field(default_factory=FakeMonitor)
    host_book: FakeHostBook = field(default_factory=FakeHostBook)
