"""The signs by which a model may be a student: each finds the entries it points to, and says why.

A claim does not look at size or architecture, except to judge how sure it is; whoever weighs claims does.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass

from kdmgr.catalog.agreement import Agreement, compare
from kdmgr.catalog.facts import BaseModel, ModelFacts
from kdmgr.catalog.load import Catalog
from kdmgr.catalog.names import ALTERATIONS, own_names, shared_names, split_words, strip_copy_words
from kdmgr.catalog.students import OllamaTag, Student
from kdmgr.refs import OllamaRef, find_quant, parse_ollama_name
from kdmgr.units import printable

MIN_DIGEST = 12
"""Hex digits that must agree: as many as Ollama prints."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One sign that points to one student. `sentence` is safe to print."""

    student: Student
    sentence: str
    is_sure: bool


def claim_digest(facts: ModelFacts, catalog: Catalog) -> Iterator[Claim]:
    """The very file, or the very manifest that Ollama's library listed."""
    blob = _clean_digest(facts.model_digest)
    if blob and len(blob) == 64:
        for student in catalog.mentioning(f'"{blob}"'):
            if blob in student.blobs:
                yield Claim(student, f"its file is one of the student's: sha256 {blob[:MIN_DIGEST]}…", True)
    manifest = _clean_digest(facts.manifest_digest)
    if manifest:
        for student in catalog.mentioning(f'"{manifest[:MIN_DIGEST]}'):
            for tag in student.ollama:
                if tag.digest and _share_prefix(tag.digest, manifest):
                    yield Claim(student, f"its manifest {manifest[:MIN_DIGEST]} is listed as {tag.tag}", True)


def claim_ollama_tag(facts: ModelFacts, catalog: Catalog) -> Iterator[Claim]:
    """The name in Ollama's library, or one that differs from a listed name in the quant only."""
    ref = facts.ref
    if not isinstance(ref, OllamaRef):
        return
    for student in catalog.mentioning(f'"{ref}"'):
        for tag in student.ollama:
            if parse_ollama_name(tag.tag).key == ref.key:
                yield _judge_tag(facts, student, tag)
    stem = _strip_quant(ref)
    if not stem:
        return
    for student in catalog.mentioning(f'"{ref.model}:'):
        for tag in student.ollama:
            listed = parse_ollama_name(tag.tag)
            if listed.key != ref.key and _strip_quant(listed) == stem:
                sentence = f"its name differs from the listed {tag.tag} in the quant only"
                yield Claim(student, sentence, compare(facts, student) is Agreement.FULL)


def claim_repo(repo: str | None, catalog: Catalog) -> Iterator[Claim]:
    """The Hub repository that a reference names, or that the header gives as its own. Sure under the student's name."""
    listed = list(_find_repo(repo, catalog))
    for student, is_own in listed:
        kind = "is the student's" if is_own else "is listed as the student's, under another name"
        yield Claim(student, f"the Hub repository {_quote(repo)} {kind}", is_own)
    if not listed:
        yield from _claim_copy(repo, catalog)


def _claim_copy(repo: str | None, catalog: Catalog) -> Iterator[Claim]:
    """A repository that is named `owner_Name-GGUF`, as uploaders name copies of `owner/Name`."""
    owner, _, name = (repo or "").partition("/")[2].partition("_")
    words = split_words(f"{owner} {name}") if name else ()
    for student in catalog.mentioning(*words) if words else ():
        if student.hf_repo and split_words(student.hf_repo) == words:
            yield Claim(student, f"the Hub repository {_quote(repo)} is named as a copy of {student.hf_repo}", False)


def claim_header_names(facts: ModelFacts, catalog: Catalog) -> Iterator[Claim]:
    """The name in the header; where there is none, the base name with the size and the fine-tune."""
    parts = (facts.basename, facts.size_label, facts.finetune)
    name = facts.name or (" ".join(filter(None, parts)) if facts.basename and facts.size_label else None)
    words = split_words(name or "")
    if not words:
        return
    for student in catalog.mentioning(*words):
        is_own = words in own_names(student)
        if is_own or words in shared_names(student):
            agrees = compare(facts, student) is Agreement.FULL
            yield Claim(student, f"the header names it {_quote(name)}", is_own and agrees and bool(facts.name))


def claim_base_models(facts: ModelFacts, catalog: Catalog) -> Iterator[Claim]:
    """What the header says that the model was made from. Sure for one known repository with the same numbers."""
    for base in facts.base_models:
        for student, is_sure in _find_base(base, catalog):
            sentence = f"the header says that it was made from {_quote(base.repo or base.name)}"
            if len(facts.base_models) > 1:
                sentence += f", one of {len(facts.base_models)} models"
            sure = is_sure and len(facts.base_models) == 1 and compare(facts, student) is Agreement.FULL
            yield Claim(student, sentence, sure)


def claim_altered_name(facts: ModelFacts, catalog: Catalog) -> Iterator[Claim]:
    """A student's name with a word that says what was done to it, such as "abliterated"."""
    words = split_words(facts.name or "")
    altered = [word for word in words if word in ALTERATIONS]
    rest = tuple(word for word in words if word not in ALTERATIONS)
    if not altered or not rest:
        return
    for student in catalog.mentioning(*rest):
        if rest in own_names(student) | shared_names(student):
            sentence = f"the header names it {_quote(facts.name)}: the student, {' and '.join(altered)}"
            yield Claim(student, sentence, False)


def _find_base(base: BaseModel, catalog: Catalog) -> Iterator[tuple[Student, bool]]:
    """By the repository where that is listed, else by its name: copies are kept under the same one."""
    listed = list(_find_repo(base.repo, catalog))
    if listed:
        yield from listed
        return
    words = strip_copy_words(split_words(base.repo.partition("/")[2] if base.repo else base.name or ""))
    for student in catalog.mentioning(*words) if words else ():
        if words in own_names(student) or (base.repo and words in shared_names(student)):
            yield student, False


def _find_repo(repo: str | None, catalog: Catalog) -> Iterator[tuple[Student, bool]]:
    """The students that list `repo`, and whether it bears the student's very name."""
    if not repo:
        return
    for student in catalog.mentioning(f'"{repo}"'):
        listed = {entry.lower() for entry in (student.hf_repo, *student.gguf_repos) if entry}
        if repo.lower() in listed:
            names = own_names(student) or shared_names(student)
            yield student, bool({split_words(repo), split_words(repo.partition("/")[2])} & names)


def _judge_tag(facts: ModelFacts, student: Student, tag: OllamaTag) -> Claim:
    found = _clean_digest(facts.manifest_digest)
    if found and tag.digest and not _share_prefix(tag.digest, found):
        listed, here = tag.digest[:MIN_DIGEST], found[:MIN_DIGEST]
        sentence = (
            f"Ollama's library listed {tag.tag} as manifest {listed}, and here it is {here}: the tag points "
            "elsewhere than listed, so by the name alone its lineage may not hold"
        )
        return Claim(student, sentence, False)
    return Claim(student, f"Ollama's library lists it as {tag.tag}", True)


def _strip_quant(ref: OllamaRef) -> tuple[str, str, str, str] | None:
    """The key of the name without the quant that ends its tag; None when the tag is no more than that."""
    host, namespace, model, tag = ref.key
    quant = find_quant(tag)
    stem = tag.removesuffix(f"-{quant.lower()}") if quant else tag
    return (host, namespace, model, stem) if stem != tag else None


def _clean_digest(digest: str | None) -> str | None:
    """The hex digits alone; None for what cannot be told from others by them."""
    if not digest:
        return None
    hexadecimal = digest.lower().removeprefix("sha256:").removeprefix("sha256-")
    return hexadecimal if len(hexadecimal) >= MIN_DIGEST and set(hexadecimal) <= set(string.hexdigits) else None


def _share_prefix(listed: str, found: str) -> bool:
    return listed.startswith(found) or found.startswith(listed)


def _quote(text: str | None) -> str:
    return f'"{printable(" ".join((text or "").split()))[:80]}"'
