"""What a store's disk is used for: each model, what models share, and what no model needs any more."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import time

from kdmgr.models.layout import blob_path
from kdmgr.models.store import ModelStore, file_size
from kdmgr.models.stored_model import StoredModel

ORPHAN, PARTIAL, TEMPORARY = "orphan", "partial", "temporary"
PARTIAL_FOLDER = "partial"
"""Of kdmgr's own store: one folder below it for each blob that is being downloaded, with a lock in it."""
ASIDE = ".kdmgr-aside"
"""What a blob's name ends in while it is looked at once more before it is removed."""
_BLOB = re.compile(r"sha256-([0-9a-f]{64})(?:\.kdmgr-aside)?")
# Downloads and uploads that were cut: Ollama's (a sparse file and a small one for each part) and kdmgr's own.
_PARTIAL = re.compile(r"(sha256-[0-9a-f]{64})[-.]partial.*")
_TEMPORARY = re.compile(r"sha256-\d{1,20}|\.import-.*|\..*\.tmp")


@dataclass(frozen=True, slots=True)
class Stray:
    """Files that belong together and to no model."""

    name: str
    """Of the first file."""
    kind: str
    """"orphan" (a whole blob), "partial" (a transfer that was cut) or "temporary" (of a writer that died)."""
    paths: tuple[Path, ...]
    disk_bytes: int
    """What it takes on the disk; the holes of a sparse file take nothing."""
    modified_at: float
    """When it was last written to, in seconds since 1970: the newest of its files."""
    folder: Path | None = None
    """The folder that holds all of it and a lock, for a download of kdmgr's own."""

    @property
    def digest(self) -> str | None:
        """Of an orphan: what it is the content of."""
        match = _BLOB.fullmatch(self.name)
        return f"sha256:{match[1]}" if match and self.kind == ORPHAN else None


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What one model takes. Bytes on the disk, so blobs that are gone count for nothing."""

    model: StoredModel
    size: int
    own: int
    """Of the blobs that only this model needs: what removing it would free."""

    @property
    def shared(self) -> int:
        """Of the blobs that another model needs too."""
        return self.size - self.own


@dataclass(frozen=True, slots=True)
class Survey:
    """A store's disk. Every blob counts once in `models_bytes`."""

    root: Path
    models: tuple[ModelUse, ...]
    """Largest first."""
    models_bytes: int
    shared_bytes: int
    """Of the blobs that several models need, once each."""
    strays: tuple[Stray, ...]
    problems: tuple[str, ...]
    """Manifests that cannot be read: any blob may belong to one of them."""

    @property
    def total(self) -> int:
        """All that is known here."""
        return self.models_bytes + sum(stray.disk_bytes for stray in self.strays)

    def of_kind(self, kind: str) -> tuple[Stray, ...]:
        """The strays of one kind."""
        return tuple(stray for stray in self.strays if stray.kind == kind)


def survey(store: ModelStore) -> Survey:
    """Look at the whole disk of a store; a folder that is not there is an empty one."""
    models, problems = store.models()
    sizes = {digest: file_size(blob_path(store.blobs, digest)) or 0 for digest in _all_digests(models)}
    needed_by = Counter(digest for model in models for digest in model.manifest.digests)
    uses = [
        ModelUse(
            model,
            size=sum(sizes[digest] for digest in model.manifest.digests),
            own=sum(sizes[digest] for digest in model.manifest.digests if needed_by[digest] == 1),
        )
        for model in models
    ]
    return Survey(
        root=store.root,
        models=tuple(sorted(uses, key=lambda use: use.size, reverse=True)),
        models_bytes=sum(sizes.values()),
        shared_bytes=sum(size for digest, size in sizes.items() if needed_by[digest] > 1),
        strays=find_strays(store.blobs, set(sizes), known=not problems),
        problems=tuple(problems),
    )


def find_strays(blobs: Path, needed: set[str], *, known: bool = True) -> tuple[Stray, ...]:
    """What lies in `blobs`, or among the downloads beside it, and belongs to no model; largest first.

    `known` says whether `needed` is all that models need: where it is not, no whole blob is called an orphan.
    """
    groups: dict[tuple[str, str], list[os.DirEntry[str]]] = {}
    for entry in _files(blobs):
        kind, group = _classify(entry.name)
        if kind == ORPHAN and (not known or f"sha256:{group}" in needed):
            continue
        if kind:
            groups.setdefault((kind, group), []).append(entry)
    strays = [stray for (kind, _), entries in groups.items() if (stray := _read_stray(kind, entries))]
    strays += _downloads(blobs.parent / PARTIAL_FOLDER)
    return tuple(sorted(strays, key=lambda stray: (-stray.disk_bytes, stray.name)))


def older_than(strays: Iterable[Stray], seconds: float, clock: Callable[[], float] = time) -> list[Stray]:
    """Those that nobody has written to for so long. What lies in the future of a clock that jumped is not old."""
    now = clock()
    return [stray for stray in strays if now - stray.modified_at >= seconds]


def _all_digests(models: list[StoredModel]) -> set[str]:
    return set().union(*(model.manifest.digests for model in models))


def _files(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as scan:
            return sorted(
                (entry for entry in scan if entry.is_file(follow_symlinks=False)), key=lambda entry: entry.name
            )
    except OSError:
        return []


def _downloads(folder: Path) -> list[Stray]:
    """kdmgr's own downloads that are not complete; the running ones too, which hold their locks."""
    try:
        folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []
    found = []
    for each in folders:
        entries = [entry for entry in _files(each) if not entry.name.startswith(".")]
        if stray := _read_stray(PARTIAL, entries, folder=each):
            found.append(stray)
    return found


def _classify(name: str) -> tuple[str, str]:
    """The kind of a file by its name, and what the files have in common that belong together; "" for strangers."""
    if match := _BLOB.fullmatch(name):
        return ORPHAN, match[1]
    if match := _PARTIAL.fullmatch(name):
        return PARTIAL, match[1]
    return (TEMPORARY, name) if _TEMPORARY.fullmatch(name) else ("", "")


def _read_stray(kind: str, entries: list[os.DirEntry[str]], folder: Path | None = None) -> Stray | None:
    """None when all of its files have gone meanwhile."""
    found: list[tuple[Path, os.stat_result]] = []
    for entry in entries:
        try:
            found.append((Path(entry.path), entry.stat(follow_symlinks=False)))
        except OSError:
            continue
    if not found:
        return None
    return Stray(
        name=f"{PARTIAL_FOLDER}/{folder.name}" if folder else found[0][0].name,
        kind=kind,
        paths=tuple(path for path, _ in found),
        disk_bytes=sum(map(_allocated, (status for _, status in found))),
        modified_at=max(status.st_mtime for _, status in found),
        folder=folder,
    )


def _allocated(status: os.stat_result) -> int:
    """Bytes that a file really takes; its length where the system does not tell."""
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else min(blocks * 512, max(status.st_size, 4096))
