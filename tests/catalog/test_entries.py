"""Every line that ships: complete, sorted, sourced, and of the schema that a user's line must meet too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import kdmgr.catalog
from kdmgr.catalog.check import check_entry
from kdmgr.catalog.codec import decode_student
from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.names import own_names, shared_names
from kdmgr.catalog.students import METHODS, Grade

SHIPPED = Path(kdmgr.catalog.__file__).with_name("students.jsonl")
ENTRIES: list[dict[str, Any]] = [json.loads(line) for line in SHIPPED.read_text(encoding="utf-8").splitlines()]

each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])


def test_ids_are_unique_and_sorted() -> None:
    ids = [entry["id"] for entry in ENTRIES]
    assert len(ids) == 136
    assert ids == sorted(set(ids))


@each_entry
def test_an_entry_passes_the_check_and_comes_out_as_it_went_in(entry: dict[str, Any]) -> None:
    checked = check_entry(entry)
    assert {name: checked[name] for name in entry} == entry
    assert set(checked) - set(entry) == {"blobs", "n_layer", "n_embd", "n_vocab"}


@each_entry
def test_every_claim_and_score_has_a_source(entry: dict[str, Any]) -> None:
    assert entry["evidence"]["where"].strip()
    links = [entry["evidence"]["url"]]
    for score in entry["scores"]:
        links.append(score["source_url"])
        if score["teacher"] is not None:
            links.append(score["teacher_source_url"])
            assert score["teacher_name"]
            assert score["same_source"] in (True, False)
        if score["same_source"]:
            assert score["teacher_source_url"] == score["source_url"]
    for link in links:
        parts = urlsplit(link)
        assert parts.scheme == "https"
        assert "." in parts.netloc


@each_entry
def test_methods_and_doubts_use_the_listed_words(entry: dict[str, Any]) -> None:
    assert entry["methods"][0] == entry["method"]
    assert set(entry["methods"]) <= set(METHODS)
    assert len(set(entry["methods"])) == len(entry["methods"])
    for doubt in entry["unverified"]:
        field = doubt.partition(".")[0].partition("(")[0]
        assert field in entry or field == "is_student", doubt


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


def test_tags_digests_and_repositories_point_to_one_student_each() -> None:
    owners: dict[str, str] = {}
    for entry in ENTRIES:
        signs = {tag["tag"].lower() for tag in entry["ollama"]} | {tag["digest"] for tag in entry["ollama"]}
        signs |= {repo.lower() for repo in (entry["hf_repo"], *entry["gguf_repos"]) if repo}
        for sign in signs:
            assert owners.setdefault(sign, entry["id"]) == entry["id"], sign


def test_no_two_students_share_a_name() -> None:
    owners: dict[tuple[str, ...], str] = {}
    for student in load_catalog():
        for words in own_names(student) | shared_names(student):
            assert words
            assert owners.setdefault(words, student.id) == student.id, words


def test_nothing_in_doubt_is_graded_as_documented() -> None:
    grades = {student.id: student.lineage.grade for student in load_catalog()}
    for entry in ENTRIES:
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
