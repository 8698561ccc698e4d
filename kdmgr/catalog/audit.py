"""What the shipped entries must meet beyond the schema: every claim sourced, every doubt kept.

A user's own entry need not meet it: what it leaves out is unknown, and shown as that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from kdmgr.catalog.check import EntryError, check_entry
from kdmgr.catalog.codec import decode_student
from kdmgr.catalog.names import own_names, shared_names
from kdmgr.catalog.students import Grade, Student

Entry = Mapping[str, Any]

ALWAYS = (
    "id", "name", "publisher", "family", "modality", "architecture", "parameters", "active_parameters",
    "context_length", "released", "licence", "hf_repo", "gguf_repos", "ollama", "teacher", "method", "methods",
    "losses", "method_note", "evidence", "scores", "unverified", "notes",
)  # fmt: skip
"""Fields that every shipped line has, with null for what is unknown."""

FIRST_MONTH = "2018-01"
"""No student of the catalog is older."""

_HEDGED = re.compile(r"\b(claimed|reported|assumed|not re-read|by name only)\b", re.IGNORECASE)
_DISPUTED = re.compile(r"\b(DISPUTED|WEAK)\b")
_RISING = re.compile(r"lower is better|\bWER\b|perplexity", re.IGNORECASE)
_UNBOUNDED = re.compile(r"rating|perplexity|MT-Bench", re.IGNORECASE)


def audit_catalog(entries: Sequence[Entry], this_month: str) -> list[str]:
    """A sentence for each fault, led by the entry's id; `this_month` is "YYYY-MM"."""
    found = [f"{_name(entry)}: {fault}" for entry in entries for fault in audit_entry(entry, this_month)]
    ids = [_name(entry) for entry in entries]
    found += [f"{later}: comes after {earlier}" for earlier, later in pairwise(ids) if later < earlier]
    return [*found, *_find_shared_signs(entries)]


def audit_entry(entry: Entry, this_month: str) -> Iterator[str]:
    """What is wrong with one entry by itself."""
    yield from (f"{field} is left out" for field in ALWAYS if field not in entry)
    try:
        checked = check_entry(dict(entry))
    except EntryError as error:
        yield str(error)
        return
    yield from (f"{field} is not written as it is read" for field in entry if checked[field] != entry[field])
    yield from _check_sources(checked)
    for score in checked["scores"]:
        yield from (f"{score['benchmark']}: {fault}" for fault in _check_score(score))
    yield from _check_method(checked)
    yield from _check_doubts(checked, decode_student(checked))
    if checked["released"] is not None and not FIRST_MONTH <= checked["released"] <= this_month:
        yield f"released in {checked['released']}"
    if checked["parameters"] and (checked["active_parameters"] or 0) >= checked["parameters"]:
        yield "uses as many parameters as it has"


def _check_sources(entry: Entry) -> Iterator[str]:
    """The link behind the lineage, the place on the page, and the digests of the listed tags."""
    evidence = entry["evidence"]
    yield from _check_link("evidence.url", evidence["url"])
    if not (evidence["where"] or "").strip():
        yield "evidence.where does not say where on the page"
    yield from (f"{tag['tag']} has no digest" for tag in entry["ollama"] if not tag["digest"])


def _check_score(score: Entry) -> Iterator[str]:
    yield from _check_link("source_url", score["source_url"])
    if bool(_RISING.search(score["benchmark"])) != score["lower_is_better"]:
        yield "lower_is_better does not go with the benchmark"
    values = [value for value in (score["student"], score["teacher"]) if value is not None]
    if not _UNBOUNDED.search(score["benchmark"]) and not all(0 <= value <= 100 for value in values):
        yield "is no share of 100"
    about_teacher = ("teacher_name", "teacher_source_url", "same_source")
    if score["teacher"] is None:
        yield from (f"{field} of a score that is not there" for field in about_teacher if score[field] is not None)
        return
    yield from (f"{field} is not known" for field in about_teacher if score[field] is None)
    yield from _check_link("teacher_source_url", score["teacher_source_url"])
    if score["same_source"] != (score["source_url"] == score["teacher_source_url"]):
        yield "same_source does not go with the links"


def _check_link(field: str, url: str | None) -> Iterator[str]:
    parts = urlsplit(url or "")
    if parts.scheme != "https" or "." not in parts.netloc or len(parts.path) < 2:
        yield f"{field} is no https link to a page"


def _check_method(entry: Entry) -> Iterator[str]:
    methods = entry["methods"]
    if methods[0] != entry["method"] or len(set(methods)) != len(methods):
        yield "methods does not begin with the method, or names one twice"
    if "unknown" in methods and len(methods) > 1:
        yield "methods are known and unknown at once"


def _check_doubts(entry: Entry, student: Student) -> Iterator[str]:
    """Doubts must be about fields that are there, and must lower the grade."""
    for doubt in entry["unverified"]:
        field = re.split(r"[.(]", doubt)[0]
        if field != "is_student" and entry.get(field) is None:
            yield f"{doubt} is unverified, and has no value"
    if len(set(entry["unverified"])) != len(entry["unverified"]):
        yield "unverified names a field twice"
    if bool(_DISPUTED.search(entry["notes"] or "")) != bool(entry["disputed"]):
        yield "disputed does not go with the notes"
    open_ends = entry["evidence"]["confidence"] != "high" or entry["disputed"] or student.lineage.doubts
    if (open_ends or _HEDGED.search(entry["teacher"]["name"])) and student.lineage.grade is Grade.DOCUMENTED:
        yield "is graded documented, with something open"


def _find_shared_signs(entries: Iterable[Entry]) -> Iterator[str]:
    """Ids, tags, digests, repositories and names by which a model is recognised: each may point to one student only."""
    owners: dict[object, str] = {}
    for number, entry in enumerate(entries):
        # Two lines of one id are two owners.
        owner = f"{_name(entry)} (line {number + 1})"
        for sign in _list_signs(entry):
            if owners.setdefault(sign, owner) != owner:
                yield f"{_name(entry)}: {sign!r} is also of {owners[sign]}"


def _list_signs(entry: Entry) -> set[object]:
    try:
        student = decode_student(check_entry(dict(entry)))
    except EntryError:
        return set()
    signs: set[object] = {student.id, *own_names(student), *shared_names(student)}
    signs |= {repo.lower() for repo in (student.hf_repo, *student.gguf_repos) if repo}
    return signs | {sign for tag in student.ollama for sign in (tag.tag.lower(), tag.digest) if sign}


def _name(entry: Entry) -> str:
    return str(entry.get("id"))
