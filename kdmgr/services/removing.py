"""Removing models, with what that frees said before."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError, NotFound
from kdmgr.models.layout import blob_path
from kdmgr.models.store import file_size
from kdmgr.services.library import OWN
from kdmgr.services.memory import unload_quietly
from kdmgr.services.stock import SERVER, Held, Stock
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.models.store import ModelStore
    from kdmgr.services.app import Services


@dataclass(frozen=True, slots=True)
class Freed:
    """Bytes that removing models gives back. Blobs that others share are not counted."""

    known: int
    at_most: int
    """More than `known` where the disk of a server cannot be looked at: it may share blobs."""

    @property
    def is_exact(self) -> bool:
        """Whether all of it is known."""
        return self.known == self.at_most


@dataclass(frozen=True, slots=True)
class Removed:
    """One model that is gone; `was_gone` when somebody else had removed it meanwhile."""

    held: Held
    was_gone: bool = False


def would_free(services: Services, stock: Stock, chosen: Sequence[Held]) -> Freed:
    """What removing all of `chosen` together frees."""
    own = [held.stored for held in chosen if held.place == OWN and held.stored]
    known = services.library.own.would_free(own)
    server = [held for held in chosen if held.place == SERVER]
    if stock.disk.store is not None and all(held.stored for held in server):
        known += _free_on_disk(stock.disk.store, server)
        return Freed(known, known)
    return Freed(known, known + sum(held.size for held in server))


def describe_freed(freed: Freed, why_not_exact: str | None) -> str:
    """The bytes; or their bound, with the reason why no more is known."""
    if freed.is_exact:
        return format_bytes(freed.known)
    reason = f" ({why_not_exact})" if why_not_exact else ""
    return f"up to {format_bytes(freed.at_most)}, less what other models share{reason}"


def _free_on_disk(store: ModelStore, chosen: Sequence[Held]) -> int:
    gone = {held.ref.key for held in chosen}
    models, problems = store.models()
    if problems:
        return 0  # a manifest that cannot be read may need any blob, and the server then removes none
    kept = set().union(*(model.manifest.digests for model in models if model.ref.key not in gone))
    freed = set().union(*(held.stored.manifest.digests for held in chosen if held.stored)) - kept
    return sum(file_size(blob_path(store.blobs, digest)) or 0 for digest in freed)


async def remove_models(services: Services, chosen: Sequence[Held]) -> AsyncGenerator[Removed, None]:
    """Remove one after another, those of kdmgr's own store first, and tell each that is gone.

    What was removed before a failure stays removed. Raises `StorageFailed`, `ServerUnreachable` or `EngineFailed`.
    """
    for held in chosen:
        if held.place == OWN and held.stored:
            yield _remove_own(services, held)
    server = [held for held in chosen if held.place == SERVER]
    if not server:
        return
    engine = services.ollama_engine()
    try:
        for held in server:
            yield await _remove_on_server(engine, held)
    finally:
        await engine.close()


def _remove_own(services: Services, held: Held) -> Removed:
    own = services.library.own
    assert held.stored is not None
    with own.locked(f"removing {held.name}"):
        was_gone = own.find(held.ref) is None
        own.remove(held.stored)
    services.receipts.forget(held.ref)
    return Removed(held, was_gone)


async def _remove_on_server(engine: OllamaEngine, held: Held) -> Removed:
    """Unload it first: a server keeps a removed model in memory, and unloads none that it has not."""
    found = await engine.find(held.name)
    if found is None:
        return Removed(held, was_gone=True)
    if held.digest and found.digest != held.digest:
        raise KdmgrError(f"{held.name} has been replaced meanwhile", hint=f"see kdmgr show {held.name}, and ask again")
    await unload_quietly(engine, held.name)
    try:
        await engine.delete(held.name)
    except NotFound:
        return Removed(held, was_gone=True)
    return Removed(held)
