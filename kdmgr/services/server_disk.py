"""Where the models of a server lie, if that is a folder of this machine that can be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError
from kdmgr.models.store import ModelStore
from kdmgr.refs import parse_ollama_name
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.engines.protocol import EngineListing
    from kdmgr.services.hosts import ChosenHost


@dataclass(frozen=True, slots=True)
class ServerDisk:
    """The folder of a server's models, or why it cannot be looked at."""

    store: ModelStore | None
    why_not: str | None = None


async def find_server_disk(
    engine: OllamaEngine, host: ChosenHost, listings: list[EngineListing], usual: Path
) -> ServerDisk:
    """The folder that holds what the server lists: where it says its files are, else the `usual` one.

    No server tells its folder outright, and the one that answers here may run in a container or be tunnelled:
    a folder counts only when it has a model of the list with the same digest.
    """
    if host.is_remote:
        return ServerDisk(None, f"{printable(host.words)} is another computer: its disk cannot be looked at from here")
    local = [listing for listing in listings if not listing.is_remote]
    if not local:
        return _empty_disk(ModelStore(usual))
    told = await _told_folder(engine, local[0].name)
    for folder in dict.fromkeys(folder for folder in (told, usual) if folder is not None):
        store = ModelStore(folder)
        if any(_holds(store, listing) for listing in local[:8]):
            return ServerDisk(store)
    where = f"its models are in {printable(str(told))}, which cannot be read from here" if told else "it is not known"
    return ServerDisk(None, f"the folder of the server's models cannot be looked at: {where}")


def _empty_disk(store: ModelStore) -> ServerDisk:
    if store.models()[0]:
        return ServerDisk(None, f"the server lists no models, so {printable(str(store.root))} is not its folder")
    return ServerDisk(store)


def _holds(store: ModelStore, listing: EngineListing) -> bool:
    try:
        stored = store.find(parse_ollama_name(listing.name))
    except KdmgrError:
        return False
    return stored is not None and stored.digest == listing.digest


async def _told_folder(engine: OllamaEngine, name: str) -> Path | None:
    """The folder above the blob that a model's Modelfile is FROM."""
    try:
        shown = await engine.show(name)
    except KdmgrError:
        return None
    for line in (shown.modelfile or "").splitlines():
        if line.startswith("FROM ") and "sha256-" in line:
            text = line.removeprefix("FROM ").strip()
            pure = PureWindowsPath(text) if "\\" in text else PurePosixPath(text)
            return Path(str(pure.parents[1])) if pure.parent.name == "blobs" else None
    return None
