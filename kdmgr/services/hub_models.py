"""Models of the Hugging Face Hub that are not on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.errors import Unreadable
from kdmgr.gguf.walk import Walk
from kdmgr.models.hub_files import HubModel, HubRepo, choose_model
from kdmgr.refs import HubRef
from kdmgr.services.finding import FoundModel, projector_note

if TYPE_CHECKING:
    from kdmgr.services.foundation import Foundation

READERS = 4
"""Headers that are read at the same time."""


def find_on_hub(services: Foundation, ref: HubRef) -> FoundModel:
    """The model that `ref` names; without a quant, the repository's default one."""
    repo = services.hub.repo(ref)
    return _find(services, ref, repo, choose_model(repo, ref))


def find_quants(services: Foundation, ref: HubRef) -> list[FoundModel | Unreadable]:
    """Every model of a repository, the smallest first; in place of one that cannot be read, why."""
    repo = services.hub.repo(ref)
    if not repo.models:
        choose_model(repo, ref)
    from concurrent.futures import ThreadPoolExecutor

    walk = Walk()

    def read(model: HubModel) -> FoundModel | Unreadable:
        try:
            return _find(services, ref, repo, model, walk)
        except Unreadable as error:
            return error

    # What the first one's header teaches makes the others cheap.
    first, *others = repo.models
    with ThreadPoolExecutor(READERS) as pool:
        try:
            return [read(first), *pool.map(read, others)]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _find(services: Foundation, ref: HubRef, repo: HubRepo, model: HubModel, walk: Walk | None = None) -> FoundModel:
    header, known = services.hub.header(ref, model, walk)
    # Of several projectors (one for each precision) an engine takes one.
    projector = max((file.size for file in repo.projectors), default=0)
    digest = model.files[0].digest if len(model.files) == 1 else None
    return FoundModel(
        ref=repo.ref_of(ref, model),
        source="huggingface",
        header=header,
        size_bytes=model.size,
        projector_bytes=projector,
        model_digest=digest if digest and digest.startswith("sha256:") else None,
        from_cache=known,
        notes=(*((repo.note,) if repo.note else ()), *projector_note(projector)),
    )
