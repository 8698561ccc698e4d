"""The disks of both stores: what is used for what, and removing what no model needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError
from kdmgr.models.disk import free_bytes
from kdmgr.models.pruning import GRACE_S, Pruned, prune_own, prune_shared
from kdmgr.models.store import ModelStore
from kdmgr.models.survey import Stray, Survey, older_than, survey
from kdmgr.services.library import OLLAMA, OWN
from kdmgr.services.server_disk import find_server_disk

if TYPE_CHECKING:
    from pathlib import Path

    from kdmgr.services.app import Services


@dataclass(frozen=True, slots=True)
class DiskUse:
    """One store's disk."""

    place: str
    """"kdmgr" or "ollama"."""
    store: ModelStore
    survey: Survey
    free: int | None
    """Bytes left on its disk."""


@dataclass(frozen=True, slots=True)
class Disks:
    """The disks that can be looked at, and a sentence for each that cannot."""

    uses: tuple[DiskUse, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """What would be removed from one store."""

    use: DiskUse
    chosen: tuple[Stray, ...]
    too_young: tuple[Stray, ...]
    """Written to lately, so somebody may be at it still."""
    age_s: float

    @property
    def freed(self) -> int:
        """Bytes that it gives back."""
        return sum(stray.disk_bytes for stray in self.chosen)


async def look_at_disks(services: Services, *, place: str | None = None) -> Disks:
    """Survey kdmgr's own store and the one of the server. `place` is "kdmgr", "server" or None for both.

    Works with no server running. The disk of another computer is a note, never this one's in its place.
    """
    uses: list[DiskUse] = []
    notes: list[str] = []
    if place != "server" and not services.host_is_named:
        uses.append(_look(OWN, services.library.own))
    if place != OWN:
        store, note = await _server_store(services)
        if note:
            notes.append(note)
        if store is not None and not _is_own(services, store):
            uses.append(_look(OLLAMA, store))
    return Disks(tuple(uses), tuple(notes))


def plan_prune(use: DiskUse, age_s: float, clock: Callable[[], float] = time) -> PrunePlan:
    """What in a store may go: left over, and not written to for `age_s` seconds.

    In a store that Ollama writes to, never less than its own grace of an hour: there is no lock to hold.
    """
    age_s = max(age_s, GRACE_S) if use.place == OLLAMA else age_s
    old = older_than(use.survey.strays, age_s, clock)
    young = tuple(stray for stray in use.survey.strays if stray not in old)
    return PrunePlan(use, tuple(old), young, age_s)


def prune(services: Services, plan: PrunePlan) -> Pruned:
    """Remove what `plan` names, as far as it still holds. `StorageFailed` when another kdmgr is writing."""
    if plan.use.place == OWN:
        return prune_own(services.library.own, plan.chosen, plan.age_s)
    return prune_shared(plan.use.store, plan.chosen, plan.age_s)


async def _server_store(services: Services) -> tuple[ModelStore | None, str | None]:
    """The store of the server; with no server running, the folder that Ollama uses here."""
    usual = services.paths.ollama_models
    engine = services.ollama_engine()
    try:
        disk = await find_server_disk(engine, services.host, await engine.list_models(), usual)
    except KdmgrError as error:
        if services.host_is_named or services.host.is_remote:
            return None, f"{error.message}; its disk could not be looked at from here either"
        return ModelStore(usual), None
    finally:
        await engine.close()
    return disk.store, disk.why_not


def _is_own(services: Services, store: ModelStore) -> bool:
    return store.root.resolve() == services.library.own.root.resolve()


def _look(place: str, store: ModelStore) -> DiskUse:
    return DiskUse(place, store, survey(store), _free(store.root))


def _free(folder: Path) -> int | None:
    """Of the disk where `folder` is, or would be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return free_bytes(folder)
    except OSError:
        return None
