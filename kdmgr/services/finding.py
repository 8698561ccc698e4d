"""From what a user typed to a header, wherever the model is: this machine, a server, a registry, the Hub."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdmgr.errors import NotFound, ServerUnreachable
from kdmgr.refs import DEFAULT_TAG, FileRef, HubRef, ModelRef, OllamaRef
from kdmgr.services.opening import OpenedModel
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.services.fitting import Fitting


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model whose header is at hand, though its weights may be far away."""

    ref: ModelRef
    source: str
    """"file", "store", "server", "registry" or "huggingface"."""
    header: GgufHeader
    opened: OpenedModel | None = None
    """Where its file is on this machine."""
    size_bytes: int | None = None
    """Of its GGUF file or files."""
    projector_bytes: int = 0
    """Of the files that come on top for models that see."""
    manifest_digest: str | None = None
    model_digest: str | None = None
    from_cache: bool = False
    """Whether the header was known already."""
    notes: tuple[str, ...] = ()
    """What a reader must be told of the answer."""
    origin: ModelRef | None = None
    """What it was pulled as, where that is another name."""


def find_model(services: Fitting, ref: ModelRef) -> FoundModel:
    """The header of `ref`: of its file, else of a store, a running server, and last of where it is published.

    A server that was named for this run is asked first, and has to answer. Raises `NotFound` with hints,
    `Forbidden`, `Unreadable` or `ServerUnreachable`.
    """
    if isinstance(ref, FileRef):
        return _found_here(services.open(ref))
    if (name := installed_name(ref)) is not None and (found := _find_installed(services, ref, name)):
        return _with_receipt(services, found, name)
    try:
        return find_published(services, ref)
    except ServerUnreachable as error:
        if name is None:
            raise
        raise ServerUnreachable(
            f"no model named {ref} is installed, and {error.message}", hint=_hint_offline(services, name, error)
        ) from error


def _find_installed(services: Fitting, ref: ModelRef, name: OllamaRef) -> FoundModel | None:
    """The model in a store or a server; a damaged copy in a store is said to be one, and not looked for elsewhere."""
    named = services.host_is_named
    if named and (found := services.server_models.find(name)):
        return replace(found, ref=ref)
    if services.library.find(name) is not None:
        return replace(_found_here(services.open(name)), ref=ref)
    found = None if named else services.server_models.find(name)
    return replace(found, ref=ref) if found else None


def _with_receipt(services: Fitting, found: FoundModel, name: OllamaRef) -> FoundModel:
    """`found` with what was written down when it came: where from, and what its user said of it."""
    origin = services.receipts.origin(name, found.manifest_digest)
    said = services.receipts.said_of(name, found.manifest_digest)
    return replace(found, origin=origin, notes=(*found.notes, said)) if said else replace(found, origin=origin)


def _hint_offline(services: Fitting, name: OllamaRef, error: ServerUnreachable) -> str | None:
    """The installed model that may be meant, before the advice to look at the network."""
    try:
        services.library.require(name)
    except NotFound as missing:
        if missing.hint and "did you mean" in missing.hint:
            return missing.hint
    return error.hint


def installed_name(ref: ModelRef) -> OllamaRef | None:
    """The name by which a store or a server would have `ref`; None where nobody can have it under one."""
    if isinstance(ref, OllamaRef):
        return ref
    if isinstance(ref, HubRef) and "." not in ref.user:
        return OllamaRef(ref.repo, ref.file or ref.quant or DEFAULT_TAG, ref.user, "hf.co")
    return None


def _found_here(opened: OpenedModel) -> FoundModel:
    stored = opened.installed.stored if opened.installed else None
    projector = stored.manifest.find("projector") if stored else None
    layer = stored.manifest.find("model") if stored else None
    return FoundModel(
        ref=opened.ref,
        source=opened.source,
        header=opened.header,
        opened=opened,
        size_bytes=layer.size if layer else None,
        projector_bytes=projector.size if projector else 0,
        manifest_digest=stored.digest if stored else None,
        model_digest=stored.model_digest if stored else None,
        notes=projector_note(projector.size if projector else 0),
    )


def find_published(services: Fitting, ref: OllamaRef | HubRef) -> FoundModel:
    """The header of `ref` where it is published: a registry, or the Hub."""
    if isinstance(ref, HubRef):
        from kdmgr.services.hub_models import find_on_hub

        return find_on_hub(services, ref)
    from kdmgr.services.registry_models import find_tag

    return find_tag(services, ref)


def projector_note(size: int) -> tuple[str, ...]:
    """What the memory figures hold and leave out."""
    return (f"its projector ({format_bytes(size)}) is counted, the scratch memory of it is not known",) if size else ()
