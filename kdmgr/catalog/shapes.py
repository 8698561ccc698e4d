"""Published shapes of models: from a repository's name to the numbers of its config.json, with their source."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kdmgr.catalog.chain import Link
from kdmgr.catalog.students import Student
from kdmgr.gguf.published_tensors import PublishedExperts, PublishedLatent, PublishedShape

# These methods cut layers, heads or widths out of what the student began with.
_RESHAPING = frozenset({"prune+logits", "layer-drop+logits"})


@dataclass(frozen=True, slots=True)
class SourcedShape:
    """A shape, and where it was read. `of` is the model it was published for."""

    shape: PublishedShape
    of: str
    source: str


def find_shape(repo: str | None) -> SourcedShape | None:
    """The shape that was published for the Hub repository `repo`."""
    if not repo:
        return None
    needle = f'"{repo}"'.lower()
    for line in Path(__file__).with_name("shapes.jsonl").read_text(encoding="utf-8").splitlines():
        if needle in line.lower():
            entry = json.loads(line)
            if repo.lower() in (each.lower() for each in entry["repos"]):
                return SourcedShape(_decode(entry), repo, entry["source"])
    return None


def find_student_shape(student: Student, chain: Sequence[Link] = ()) -> SourcedShape | None:
    """The student's own shape; else that of what it was made from (`chain`), until a method cuts into it."""
    found = find_shape(student.hf_repo) or _inherit(student, chain)
    if found is None or student.architecture not in (None, found.shape.architecture):
        return None
    if student.context_length is None:
        return found
    return replace(found, shape=replace(found.shape, n_ctx_train=student.context_length))


def _inherit(student: Student, chain: Sequence[Link]) -> SourcedShape | None:
    made: Student | None = student
    for link in chain:
        if made is None or _is_cut(made, link):
            return None
        found = find_shape(link.base.hf_repo)
        if found is not None:
            return found
        made = link.student
    return None


def _is_cut(student: Student, link: Link) -> bool:
    """Whether making `student` cut into its base: by its method, unless that method is the base's own, at its size."""
    if not _RESHAPING & set(student.lineage.methods):
        return False
    return link.student is None or link.student.parameters != student.parameters


def _decode(entry: Mapping[str, Any]) -> PublishedShape:
    plain = {key: value for key, value in entry.items() if key not in ("id", "repos", "source", "experts", "latent")}
    experts, latent = entry.get("experts"), entry.get("latent")
    return PublishedShape(
        **plain,
        experts=PublishedExperts(**experts) if experts else None,
        latent=PublishedLatent(**latent) if latent else None,
    )
