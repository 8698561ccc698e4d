"""Every line that ships: complete, sorted, sourced, and of the schema that a user's line must meet too."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import kdmgr.catalog
from kdmgr.catalog.audit import audit_catalog
from kdmgr.catalog.check import check_entry
from kdmgr.catalog.codec import decode_student
from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.students import Grade

SHIPPED = Path(kdmgr.catalog.__file__).with_name("students.jsonl")
ENTRIES: list[dict[str, Any]] = [json.loads(line) for line in SHIPPED.read_text(encoding="utf-8").splitlines()]

each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])


def test_the_shipped_catalog_passes_its_audit() -> None:
    assert len(ENTRIES) == 136
    assert audit_catalog(ENTRIES, f"{date.today():%Y-%m}") == []


@each_entry
def test_an_entry_passes_the_check_and_comes_out_as_it_went_in(entry: dict[str, Any]) -> None:
    checked = check_entry(entry)
    assert {name: checked[name] for name in entry} == entry
    assert not any(checked[name] for name in set(checked) - set(entry)), "nothing is made up"


@each_entry
def test_every_claim_and_score_has_a_source(entry: dict[str, Any]) -> None:
    """Walked by hand, so that an audit that looks at nothing cannot hide it."""
    assert entry["evidence"]["where"].strip()
    links = [entry["evidence"]["url"]]
    for score in entry["scores"]:
        links.append(score["source_url"])
        if score["teacher"] is not None:
            links.append(score["teacher_source_url"])
    for link in links:
        parts = urlsplit(link)
        assert parts.scheme == "https"
        assert "." in parts.netloc


@each_entry
def test_an_entry_decodes_without_losing_anything(entry: dict[str, Any]) -> None:
    student = decode_student(entry)
    assert (student.id, student.name, student.notes) == (entry["id"], entry["name"], entry["notes"])
    assert list(student.unverified) == entry["unverified"]
    assert [tag.digest for tag in student.ollama] == [tag["digest"] for tag in entry["ollama"]]
    assert student.lineage.teacher.is_open == entry["teacher"]["open"]
    assert list(student.lineage.methods) == entry["methods"]
    assert (student.evidence.url, student.evidence.confidence) == (
        entry["evidence"]["url"],
        entry["evidence"]["confidence"],
    )
    assert [(score.student, score.teacher, score.source_url) for score in student.scores] == [
        (score["student"], score["teacher"], score["source_url"]) for score in entry["scores"]
    ]


def test_nothing_in_doubt_is_graded_as_documented() -> None:
    grades = {student.id: student.lineage.grade for student in load_catalog()}
    for entry in ENTRIES:
        if "disputed" in entry:
            assert grades[entry["id"]] is not Grade.DOCUMENTED, entry["id"]
        about_lineage = [
            doubt for doubt in entry["unverified"] if doubt.startswith(("method", "teacher", "is_student"))
        ]
        if entry["evidence"]["confidence"] != "high" or about_lineage:
            assert grades[entry["id"]] is not Grade.DOCUMENTED, entry["id"]
        if entry["evidence"]["confidence"] == "low":
            assert grades[entry["id"]] is Grade.UNVERIFIED, entry["id"]
    assert grades["deepseek-r1-distill-qwen-7b"] is Grade.DOCUMENTED
    assert grades["gemma4-12b"] is Grade.UNVERIFIED
    assert grades["qwen3-vl-8b"] is Grade.UNVERIFIED, "which sizes are students is itself in doubt"
    assert grades["mobilellm-pro"] is Grade.CLAIMED, "high confidence, but the teacher's name was not read"
    assert grades["phi4-14b"] is Grade.CLAIMED, "its authors dispute the word"


def test_a_disputed_claim_says_what_is_disputed_and_stays_one() -> None:
    disputed = {student.id: student.lineage for student in load_catalog() if student.lineage.disputed}
    assert len(disputed) == 19
    assert disputed["phi3-mini"].standing == "claimed, disputed"
    assert disputed["gemma4-12b"].standing == "unverified, disputed"
    assert "names no teacher" in (disputed["phi3-mini"].disputed or "") or "name no teacher" in (
        disputed["phi3-mini"].disputed or ""
    )


def put(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Sets one field; "scores.0.student" is a path."""

    def change(entry: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        place: Any = entry
        for step in parents:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[int(last) if isinstance(place, list) else last] = value

    return change


def drop(field: str) -> Callable[[dict[str, Any]], None]:
    return lambda entry: entry.pop(field)


R1_7B = "deepseek-r1-distill-qwen-7b"
MUTATIONS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a field left out": (drop("licence"), "licence is left out"),
    "a misspelt field": (put("licens", "MIT"), "unknown field 'licens'"),
    "a second name for a line": (put("name", "Two\nlines"), "name is not written as it is read"),
    "no link for the lineage": (put("evidence.url", None), "evidence.url is no https link"),
    "a link without a page": (put("evidence.url", "https://example.org"), "evidence.url is no https link"),
    "a link that is none": (put("evidence.url", "see the paper"), "evidence.url is 'see the paper'"),
    "an insecure link": (put("scores.0.source_url", "http://example.org/x"), "source_url is no https link"),
    "no place on the page": (put("evidence.where", " "), "evidence.where does not say where"),
    "a score without a source": (put("scores.0.source_url", None), "scores.source_url is None"),
    "a teacher's score without a source": (put("scores.0.teacher_source_url", None), "teacher_source_url is not known"),
    "a teacher's score of nobody": (put("scores.0.teacher_name", None), "teacher_name is not known"),
    "one source that are two": (put("scores.0.teacher_source_url", "https://example.org/x"), "same_source does not go"),
    "two sources that are one": (put("scores.0.same_source", False), "same_source does not go"),
    "a ratio with nobody": (put("scores.0.teacher", None), "has no teacher's score to share a source with"),
    "a score above all": (put("scores.0.student", 155.5), "is no share of 100"),
    "errors that are rated as wins": (put("scores.0.benchmark", "Long-form WER"), "lower_is_better does not go"),
    "an unknown method": (put("method", "osmosis"), "method is 'osmosis'"),
    "a method among no methods": (put("method", "on-policy"), "methods does not begin with the method"),
    "a method twice": (put("methods", ["sequence-level"] * 2), "names one twice"),
    "a method known and unknown": (put("methods", ["sequence-level", "unknown"]), "known and unknown at once"),
    "a month that is none": (put("released", "2025-13"), "released is '2025-13'"),
    "a month to come": (put("released", "2099-01"), "released in 2099-01"),
    "a month before there were any": (put("released", "2009-01"), "released in 2009-01"),
    "more at work than there are": (put("active_parameters", 8_000_000_000), "as many parameters as it has"),
    "a doubt about nothing": (put("unverified", ["lisence"]), "lisence is unverified, and has no value"),
    "a doubt about what is not said": (put("unverified", ["active_parameters"]), "has no value"),
    "a doubt twice": (put("unverified", ["licence", "licence"]), "unverified names a field twice"),
    "a dispute in the notes alone": (put("notes", "DISPUTED: nobody says so."), "disputed does not go with the notes"),
    "a dispute without a note": (put("disputed", "all of it"), "disputed does not go with the notes"),
    "a teacher on hearsay": (put("teacher.name", "GPT-9 (claimed)"), "graded documented, with something open"),
    "a tag that cannot be recognised": (put("ollama.0.digest", None), "deepseek-r1:7b has no digest"),
    "a tag that is none": (put("ollama.0.tag", "a@b"), "ollama.tag: invalid model name"),
    "the id of another": (put("id", "deepseek-r1-distill-qwen-14b"), "is also of deepseek-r1-distill-qwen-14b"),
    "an id out of order": (put("id", "zz"), "comes after zz"),
    "the tag of another": (put("ollama.0.tag", "deepseek-r1:14b"), "'deepseek-r1:14b' is also of"),
    "the digest of another": (put("ollama.0.digest", "c333b7232bdb"), "'c333b7232bdb' is also of"),
    "the repository of another": (put("gguf_repos", ["nvidia/AceReason-Nemotron-14B"]), "is also of acereason"),
    "the name of another": (put("name", "OpenThinker 7B"), "('openthinker', '7b') is also of"),
}


@pytest.mark.parametrize(("change", "fault"), MUTATIONS.values(), ids=MUTATIONS.keys())
def test_the_audit_sees_what_is_broken(change: Callable[[dict[str, Any]], None], fault: str) -> None:
    entries = copy.deepcopy(ENTRIES)
    change(next(entry for entry in entries if entry["id"] == R1_7B))
    found = audit_catalog(entries, "2026-12")
    assert any(fault in sentence for sentence in found), found
