"""Tags of Ollama registries that are not on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.errors import NotFound
from kdmgr.refs import OllamaRef
from kdmgr.services.finding import FoundModel, projector_note

if TYPE_CHECKING:
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.models.ollama_registry import RemoteManifest
    from kdmgr.services.foundation import Foundation


def find_tag(services: Foundation, ref: OllamaRef) -> FoundModel:
    """A tag of an Ollama registry."""
    registry = services.registry
    try:
        remote = registry.manifest(ref)
    except NotFound as error:
        near = _near_names(services, ref)
        raise NotFound(error.message, hint="; ".join(part for part in (near, error.hint) if part)) from error
    header, known = registry.header(remote, remote.weights)
    return _found(ref, remote, header, from_cache=known)


def find_known_tag(services: Foundation, ref: OllamaRef) -> FoundModel | None:
    """The same of a tag that was looked at before, without asking anybody."""
    known = services.registry.known(ref)
    return _found(ref, *known, from_cache=True) if known else None


def _found(ref: OllamaRef, remote: RemoteManifest, header: GgufHeader, *, from_cache: bool) -> FoundModel:
    layer, projector = remote.weights, remote.size_of("projector")
    return FoundModel(
        ref=ref,
        source="registry",
        header=header,
        size_bytes=layer.size,
        projector_bytes=projector,
        manifest_digest=remote.digest,
        model_digest=layer.digest,
        from_cache=from_cache,
        notes=(*((remote.note,) if remote.note else ()), *projector_note(projector)),
    )


def _near_names(services: Foundation, ref: OllamaRef) -> str | None:
    """What is like it among the installed models and the students' tags."""
    import difflib

    names = [model.name for model in services.library.list_models()[0]]
    names += [tag.tag for student in services.catalog for tag in student.ollama]
    close = difflib.get_close_matches(str(ref), [name for name in dict.fromkeys(names) if name != str(ref)], 2, 0.75)
    return f"did you mean {' or '.join(close)}?" if close else None
