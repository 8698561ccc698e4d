"""Changing the hosts in config.toml, with all that the user wrote around them left as it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.config import NamedHost, Settings
from kdmgr.errors import NotFound, UsageError
from kdmgr.services.config_file import edit_config, put_value

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

DEFAULT_NAME = "default"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def add_host(
    folder: Path, host: NamedHost, *, memory: str | None = None, replace: bool = False, use: bool = False
) -> None:
    """Name a server. `memory` is its host memory as the user wrote it.

    `UsageError` for a name or an address that cannot be one, a GPU nobody knows, or a name that is taken.
    """
    _check_host(host)

    def change(document: TOMLDocument, settings: Settings) -> None:
        import tomlkit

        known = settings.find_host(host.name)
        if known is not None and not replace:
            raise UsageError(f"a host called {known.name} exists: {known.url}", hint="--replace takes its place")
        hosts = document.get("hosts")
        if hosts is None:
            hosts = document["hosts"] = tomlkit.table(is_super_table=True)
        name = known.name if known else host.name
        table = hosts.setdefault(name, tomlkit.table())
        values = {"url": host.url, "gpus": list(host.gpus) or None, "memory": memory}
        for key, value in values.items():
            if value is not None:
                table[key] = value
            else:
                table.pop(key, None)
        if use:
            put_value(document, "host", name)

    edit_config(folder, change)


def use_host(folder: Path, name: str) -> NamedHost | None:
    """Make a host the current one; "default" means none. `NotFound` for a name that is not in the config."""
    chosen: list[NamedHost] = []

    def change(document: TOMLDocument, settings: Settings) -> None:
        if name.lower() == DEFAULT_NAME:
            document.pop("host", None)
            return
        host = require_host(settings, name)
        put_value(document, "host", host.name)
        chosen.append(host)

    edit_config(folder, change)
    return chosen[0] if chosen else None


def remove_host(folder: Path, name: str) -> bool:
    """Forget a host; whether it was the current one, which there is none of then."""
    was_current: list[bool] = []

    def change(document: TOMLDocument, settings: Settings) -> None:
        host = require_host(settings, name)
        del document["hosts"][host.name]
        was_current.append(settings.find_host(settings.host) == host)
        if was_current[0]:
            document.pop("host", None)

    edit_config(folder, change)
    return was_current[0]


def is_remote_url(url: str) -> bool:
    """Whether it is the address of another computer."""
    from kdmgr.engines.ollama.host import parse_host
    from kdmgr.hosts import is_this_machine

    return not is_this_machine(parse_host(url).host)


def require_host(settings: Settings, name: str) -> NamedHost:
    """The host of this name; `NotFound` with the names there are."""
    host = settings.find_host(name)
    if host is None:
        names = ", ".join(known.name for known in settings.hosts)
        hint = f"there are {names}" if names else "name one: kdmgr hosts add NAME URL"
        raise NotFound(f"no host is called {name}", hint=hint)
    return host


def _check_host(host: NamedHost) -> None:
    from kdmgr.engines.ollama.host import parse_host
    from kdmgr.hardware.table import parse_gpus

    if not _NAME.fullmatch(host.name) or host.name.lower() in (DEFAULT_NAME, "localhost"):
        raise UsageError(
            f"a host cannot be called {host.name!r}", hint="letters, digits, - and _; not default or localhost"
        )
    address = parse_host(host.url)
    if address.scheme not in ("http", "https") or not re.fullmatch(r"[\w.:%-]+", address.host):
        raise UsageError(f"not the address of a server: {host.url!r}", hint="like 192.168.1.20 or https://example.com")
    for gpu in host.gpus:
        parse_gpus(gpu)
