"""What interrupted pulls have left: in kdmgr's own store, and in an Ollama server's models folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError, UsageError
from kdmgr.models.layout import blob_path
from kdmgr.models.ollama_partials import OllamaPartial, list_partials, remove_partial
from kdmgr.models.partials import PartialInfo
from kdmgr.models.store import file_size
from kdmgr.refs import HubRef, OllamaRef, parse_ref
from kdmgr.services.pull_plan import EMBEDDED, OLLAMA
from kdmgr.services.pull_sources import own_name

if TYPE_CHECKING:
    from kdmgr.models.own_store import OwnStore
    from kdmgr.services.bringing import Bringing
    from kdmgr.services.pull_notes import PullNote


@dataclass(frozen=True, slots=True)
class Leftover:
    """One interrupted pull. Sizes in bytes; None is unknown."""

    name: str | None
    """The model; None for what somebody else's pull left."""
    engine: str
    where: str
    completed: int | None
    total: int | None
    digests: tuple[str, ...]
    own: tuple[PartialInfo, ...] = field(default=(), repr=False)
    ollama: tuple[OllamaPartial, ...] = field(default=(), repr=False)

    @property
    def key(self) -> str:
        """How to name it: by its model, else by the start of its digest."""
        return self.name or self.digests[0].removeprefix("sha256:")[:12]


def list_leftovers(services: Bringing) -> list[Leftover]:
    """All of them; kdmgr's own first."""
    return [*_own(services), *_servers(services)]


def choose_leftovers(found: Sequence[Leftover], names: Sequence[str]) -> list[Leftover]:
    """Those of these names or digests, all without names; `UsageError` for one that is not among them."""
    if not names:
        return list(found)
    chosen = []
    for name in names:
        alike = [entry for entry in found if _is_called(entry, name)]
        if not alike:
            raise UsageError(f"no interrupted pull of {name}", hint="see which there are: kdmgr pull --list")
        chosen += alike
    return chosen


def remove_leftovers(services: Bringing, leftovers: Sequence[Leftover]) -> None:
    """Remove their files and notes."""
    for entry in leftovers:
        for info in entry.own:
            services.library.own.partials.remove(info)
        for partial in entry.ollama:
            remove_partial(partial)
        if (ref := _ref(entry.name)) is not None:
            services.pull_notes.forget(own_name(ref), entry.where)


def _is_called(entry: Leftover, name: str) -> bool:
    if name == entry.key or any(digest.removeprefix("sha256:").startswith(name) for digest in entry.digests):
        return True
    try:
        return entry.name is not None and str(parse_ref(name)) == entry.name
    except KdmgrError:
        return False


def _own(services: Bringing) -> list[Leftover]:
    """By model; its note knows of the blobs that have not begun, and what its user called it."""
    store = services.library.own
    groups: dict[str, list[PartialInfo]] = {}
    for info in store.partials.list():
        groups.setdefault(info.model, []).append(info)
    notes = {_stored_name(note): note for note in services.pull_notes.list() if note.server == str(store.root)}
    return [_grouped(store, model, infos, notes.get(model)) for model, infos in groups.items()]


def _grouped(store: OwnStore, model: str, infos: list[PartialInfo], note: PullNote | None) -> Leftover:
    completed, total = sum(info.completed for info in infos), sum(info.size for info in infos)
    if note is not None and note.blobs:
        completed += sum(size for digest, size in note.blobs if store.has_blob(digest, size))
        total = note.total or total
    return Leftover(
        name=note.model if note else model or None,
        engine=EMBEDDED,
        where=str(store.root),
        completed=completed,
        total=total,
        digests=tuple(info.digest for info in infos),
        own=tuple(infos),
    )


def _stored_name(note: PullNote) -> str | None:
    """The name that the store has for what a note calls by its user's words."""
    ref = _ref(note.model)
    return str(own_name(ref)) if ref is not None else None


def _servers(services: Bringing) -> list[Leftover]:
    """By the notes of pulls that have begun, and what lies there without one."""
    blobs = services.library.ollama.blobs
    partials = {partial.digest: partial for partial in list_partials(blobs)}
    # A note names the server that was asked; only of one on this machine is the folder known.
    address = services.ollama_engine().address
    found = []
    for note in services.pull_notes.list():
        if note.server == str(services.library.own.root):
            continue
        here = address.is_loopback and note.server == address.url and blobs.is_dir()
        if here and _is_complete(services, note):
            continue
        entry = _noted(services, note, partials, here=here)
        if entry.completed != 0:
            found.append(entry)
    known = {digest for entry in found for digest in entry.digests}
    found += [
        Leftover(None, OLLAMA, str(blobs), partial.completed, partial.size, (digest,), ollama=(partial,))
        for digest, partial in partials.items()
        if digest not in known
    ]
    return found


def _noted(services: Bringing, note: PullNote, partials: dict[str, OllamaPartial], *, here: bool) -> Leftover:
    mine = tuple(partials[digest] for digest, _size in note.blobs if here and digest in partials)
    completed = sum(partial.completed or 0 for partial in mine)
    if here:
        blobs = services.library.ollama.blobs
        completed += sum(file_size(blob_path(blobs, digest)) or 0 for digest, _size in note.blobs)
    return Leftover(
        name=note.model,
        engine=OLLAMA,
        where=note.server,
        completed=completed if here else None,
        total=note.total,
        digests=tuple(digest for digest, _size in note.blobs),
        ollama=mine,
    )


def _is_complete(services: Bringing, note: PullNote) -> bool:
    """Whether somebody has pulled it to its end meanwhile."""
    ref = _ref(note.model)
    stored = None
    try:
        stored = services.library.ollama.find(own_name(ref)) if ref is not None else None
    except KdmgrError:
        return False
    return stored is not None and stored.manifest.digests == {digest for digest, _size in note.blobs}


def _ref(name: str | None) -> OllamaRef | HubRef | None:
    try:
        ref = parse_ref(name) if name else None
    except KdmgrError:
        return None
    return ref if isinstance(ref, OllamaRef | HubRef) else None
