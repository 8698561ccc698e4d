"""The Ollama servers a user has: which one is meant, and whether each can be reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.config import NamedHost, Settings
from kdmgr.hosts import is_this_machine

if TYPE_CHECKING:
    from kdmgr.engines.ollama import ServerAddress
    from kdmgr.engines.protocol import EngineStatus, LoadedModel
    from kdmgr.services.app import Services

ARGUMENT, ENVIRONMENT, CONFIG, DEFAULT = "--host", "OLLAMA_HOST", "config", "default"


@dataclass(frozen=True, slots=True)
class ChosenHost:
    """The server of this run."""

    address: ServerAddress
    basis: str
    """What chose it: "--host", "OLLAMA_HOST", "config" or "default"."""
    named: NamedHost | None = None
    """The host of the config that has this address."""

    @property
    def is_remote(self) -> bool:
        """Whether it is on another computer."""
        return not is_this_machine(self.address.host)

    @property
    def words(self) -> str:
        """What to call it: the name, else the host part of its address."""
        return self.named.name if self.named else self.address.host


@dataclass(frozen=True, slots=True)
class HostCheck:
    """What a server answered, and how long it took."""

    host: ChosenHost
    current: bool
    status: EngineStatus
    answer_s: float
    n_models: int | None = None
    loaded: tuple[LoadedModel, ...] = ()


def choose_host(settings: Settings, env: Mapping[str, str], asked: str | None) -> ChosenHost:
    """The server of a run: as asked for, else OLLAMA_HOST, else the config's, else the usual address.

    What is asked for may be a name of the config or an address; a host declared there is known by both.
    """
    from kdmgr.engines.ollama.host import parse_host

    environment = env.get("OLLAMA_HOST", "").strip().strip("\"'").strip()
    choices = ((ARGUMENT, asked), (ENVIRONMENT, environment), (CONFIG, settings.host), (DEFAULT, ""))
    basis, text = next((basis, text) for basis, text in choices if text or basis == DEFAULT)
    named = None if basis == ENVIRONMENT else settings.find_host(text)
    address = parse_host(named.url if named else text or "")
    return ChosenHost(address, basis, named or _find_address(settings, address))


def all_hosts(settings: Settings, current: ChosenHost) -> list[tuple[ChosenHost, bool]]:
    """The hosts of the config and the one of this run, each once, and whether it is that one."""
    from kdmgr.engines.ollama.host import parse_host

    others = [ChosenHost(parse_host(host.url), CONFIG, host) for host in settings.hosts if host != current.named]
    return [(current, True), *((host, False) for host in others)]


async def check_hosts(services: Services, hosts: list[tuple[ChosenHost, bool]], *, within: float) -> list[HostCheck]:
    """Ask all of them at the same time; none holds up the others for longer than `within` seconds."""
    import asyncio

    return list(await asyncio.gather(*(check_host(services, host, current, within=within) for host, current in hosts)))


async def check_host(services: Services, host: ChosenHost, current: bool, *, within: float) -> HostCheck:
    """Ask one server for its version, its models and what it holds in memory."""
    from time import perf_counter

    from kdmgr.errors import KdmgrError

    engine = services.engine_at(host)
    started = perf_counter()
    try:
        status = await engine.status(within=within)
        answer_s = perf_counter() - started
        if not status.usable:
            return HostCheck(host, current, status, answer_s)
        try:
            n_models = len(await engine.list_models(within=within))
            loaded = tuple(await engine.loaded_models(within=within))
        except KdmgrError:
            return HostCheck(host, current, status, answer_s)
        return HostCheck(host, current, status, answer_s, n_models, loaded)
    finally:
        await engine.close()


def _find_address(settings: Settings, address: ServerAddress) -> NamedHost | None:
    from kdmgr.engines.ollama.host import parse_host

    return next((host for host in settings.hosts if parse_host(host.url) == address), None)
