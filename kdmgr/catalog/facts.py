"""What is known of a model that may be a student: its reference, its digests and what its header says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.catalog.names import MAX_NAME, parse_repo_url
from kdmgr.refs import ModelRef

if TYPE_CHECKING:
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.gguf.shape import ModelShape

# Merges name their parts; no honest one names more.
MAX_BASE_MODELS = 16


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A model that a header names as what it was made from."""

    name: str | None = None
    repo: str | None = None
    """"owner/name" on the Hub."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """All that can be asked of a model; None is unknown, and the more is known the surer the match."""

    ref: ModelRef | None = None
    manifest_digest: str | None = None
    """sha256 of Ollama's manifest, or its first 12 or more hex digits; a "sha256:" before it is allowed."""
    model_digest: str | None = None
    """sha256 of the GGUF file."""
    name: str | None = None
    basename: str | None = None
    size_label: str | None = None
    finetune: str | None = None
    repo: str | None = None
    """"owner/name" that the header gives as its own."""
    base_models: tuple[BaseModel, ...] = ()
    architecture: str | None = None
    parameters: int | None = None
    n_layer: int | None = None
    n_embd: int | None = None
    n_vocab: int | None = None


def read_facts(
    header: GgufHeader,
    shape: ModelShape | None = None,
    *,
    ref: ModelRef | None = None,
    manifest_digest: str | None = None,
    model_digest: str | None = None,
) -> ModelFacts:
    """The facts in a header, beside those that are known from elsewhere."""
    return ModelFacts(
        ref=ref,
        manifest_digest=manifest_digest,
        model_digest=model_digest,
        name=_read_text(header, "general.name"),
        basename=_read_text(header, "general.basename"),
        size_label=_read_text(header, "general.size_label"),
        finetune=_read_text(header, "general.finetune"),
        repo=parse_repo_url(_read_text(header, "general.repo_url") or ""),
        base_models=_read_base_models(header),
        architecture=_read_text(header, "general.architecture"),
        parameters=_count_parameters(header, shape),
        n_layer=shape.n_layer if shape else None,
        n_embd=shape.n_embd if shape else None,
        n_vocab=shape.n_vocab if shape else None,
    )


def _read_text(header: GgufHeader, key: str) -> str | None:
    text = header.text(key)
    return text[:MAX_NAME].strip() or None if text else None


def _read_base_models(header: GgufHeader) -> tuple[BaseModel, ...]:
    count = min(header.integer("general.base_model.count") or 0, MAX_BASE_MODELS)
    found = (
        BaseModel(
            _read_text(header, f"general.base_model.{index}.name"),
            parse_repo_url(_read_text(header, f"general.base_model.{index}.repo_url") or ""),
        )
        for index in range(count)
    )
    return tuple(base for base in found if base.name or base.repo)


def _count_parameters(header: GgufHeader, shape: ModelShape | None) -> int | None:
    """None when only one shard of several was read."""
    count = shape.parameters if shape else header.n_elements
    is_part = (header.integer("split.count") or 0) > 1 and count == header.n_elements
    return None if is_part else count or None
