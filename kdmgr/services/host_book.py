"""The servers to choose from, and changing over to another while kdmgr runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.config import NamedHost, load_settings
from kdmgr.services.hosts import CONFIG, DEFAULT, ChosenHost, HostCheck, check_hosts

if TYPE_CHECKING:
    from kdmgr.services.app import Services

LOOK_S = 3.0


class HostBook:
    """The hosts of the config, the one that kdmgr was started with, and this machine's usual one."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._first = services.host

    @property
    def current(self) -> ChosenHost:
        """The server of the run."""
        return self._services.host

    def choices(self) -> list[ChosenHost]:
        """Each address once, the named ones under their names."""
        from kdmgr.engines.ollama.host import parse_host

        settings = self._services.settings
        named = [ChosenHost(parse_host(host.url), CONFIG, host) for host in settings.hosts]
        usual = ChosenHost(parse_host(""), DEFAULT, None)
        found: dict[str, ChosenHost] = {}
        for host in (*named, self._services.host, self._first, usual):
            found.setdefault(host.address.url, host)
        return sorted(found.values(), key=lambda host: host.named is not None)

    async def check(self) -> list[HostCheck]:
        """Ask all of them at the same time."""
        hosts = [(host, host.address == self.current.address) for host in self.choices()]
        return await check_hosts(self._services, hosts, within=LOOK_S)

    def switch(self, host: ChosenHost) -> bool:
        """Use another server from now on; whether the next start will too (OLLAMA_HOST and --host would win)."""
        from kdmgr.services.host_settings import DEFAULT_NAME, use_host

        kept = host.named is not None or host.basis == DEFAULT
        if kept:
            use_host(self._services.paths.config, host.named.name if host.named else DEFAULT_NAME)
        self._services.change_host(host)
        return kept and self._first.basis in (CONFIG, DEFAULT)

    def add(self, name: str, url: str, gpus: tuple[str, ...] = (), memory: str | None = None) -> NamedHost:
        """Name a server in the config. `UsageError` for what cannot be one."""
        from kdmgr.services.host_settings import add_host
        from kdmgr.units import parse_bytes

        host = NamedHost(name, url, gpus, parse_bytes(memory) if memory else None)
        add_host(self._services.paths.config, host, memory=memory)
        self._reload()
        return host

    def remove(self, host: NamedHost) -> None:
        """Forget a host of the config; the current one goes on being used until another is chosen."""
        from kdmgr.services.host_settings import remove_host

        remove_host(self._services.paths.config, host.name)
        self._reload()

    def _reload(self) -> None:
        self._services.settings = load_settings(self._services.paths.config)
