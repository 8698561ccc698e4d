"""Removing what no model needs, without taking anything from somebody who is writing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import time

from kdmgr.errors import StorageFailed
from kdmgr.models.locking import LOCK, StoreLock
from kdmgr.models.own_store import OwnStore
from kdmgr.models.store import ModelStore
from kdmgr.models.survey import ASIDE, ORPHAN, Stray, find_strays, older_than

GONE = "it is gone"
GRACE_S = 3600.0
"""Ollama's own grace before it takes a file for abandoned (server/images.go, since v0.21)."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, and what could not be: (name, why)."""

    removed: tuple[Stray, ...]
    kept: tuple[tuple[str, str], ...]

    @property
    def freed(self) -> int:
        """Bytes given back."""
        return sum(stray.disk_bytes for stray in self.removed)


def prune_own(store: OwnStore, chosen: Sequence[Stray], age_s: float, clock: Callable[[], float] = time) -> Pruned:
    """Remove `chosen` from kdmgr's own store, with its lock held: no other kdmgr adds models meanwhile.

    `StorageFailed` when another kdmgr does not let go of it.
    """
    with store.locked("pruning"):
        return prune_shared(store, chosen, age_s, clock)


def prune_shared(store: ModelStore, chosen: Sequence[Stray], age_s: float, clock: Callable[[], float] = time) -> Pruned:
    """Remove `chosen` from a store that others write to without a lock.

    Only what is still a stray, and was not written to for `age_s` seconds. A blob is put aside
    first and the manifests are read again: one that a model has begun to need goes back to its place.
    """
    now, problems = _look_again(store)
    present = {stray.name: stray for stray in now}
    settled = {stray.name for stray in older_than(now, age_s, clock)}
    removed: list[Stray] = []
    kept: list[tuple[str, str]] = []
    for stray in chosen:
        why = _reason_to_keep(stray, present, settled, problems)
        if why is None:
            why = _remove(store, stray)
        if why is None or why == GONE:
            removed.append(stray)
        else:
            kept.append((stray.name, why))
    return Pruned(tuple(removed), tuple(kept))


def _look_again(store: ModelStore) -> tuple[tuple[Stray, ...], bool]:
    models, problems = store.models()
    needed = set().union(*(model.manifest.digests for model in models))
    return find_strays(store.blobs, needed, known=not problems), bool(problems)


def _reason_to_keep(stray: Stray, present: dict[str, Stray], settled: set[str], problems: bool) -> str | None:
    """Why it must stay; `GONE` for what has gone already, None for what may go."""
    if stray.name not in present:
        exists = any(path.exists() for path in stray.paths)
        return ("a manifest cannot be read" if problems else "a model needs it now") if exists else GONE
    if stray.name not in settled:
        return "it was written to just now"
    return None


def _remove_download(stray: Stray, folder: Path) -> str | None:
    """Remove a download of kdmgr's own with its lock held; a kdmgr that still downloads holds it itself."""
    try:
        with StoreLock(folder, 0.0).hold("pruning", lambda sentence: None):
            why = _unlink(stray.paths)
    except StorageFailed:
        return "another kdmgr is downloading it"
    # Somebody may wait for the lock, or be about to; then the folder is theirs.
    with suppress(OSError):
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
        folder.parent.rmdir()
    return why


def _remove(store: ModelStore, stray: Stray) -> str | None:
    """Remove it; why it could not be."""
    if stray.folder is not None:
        return _remove_download(stray, stray.folder)
    return _remove_blob(store, stray) if stray.kind == ORPHAN else _unlink(stray.paths)


def _remove_blob(store: ModelStore, stray: Stray) -> str | None:
    path = stray.paths[0]
    name = path.name.removesuffix(ASIDE)
    aside = path.with_name(f"{name}{ASIDE}")
    try:
        path.replace(aside)
    except OSError as error:
        return error.strerror or str(error)
    models, problems = store.models()
    if problems or any(stray.digest in model.manifest.digests for model in models):
        with suppress(OSError):
            aside.replace(path.with_name(name))
        return "a model needs it now"
    return _unlink([aside])


def _unlink(paths: Sequence[Path]) -> str | None:
    """Remove files; the reason of the first that cannot be."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            return error.strerror or str(error)
    return None
