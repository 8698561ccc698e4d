"""The user's own entries: they win by id, and a broken one hides no other."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kdmgr.catalog.facts import ModelFacts
from kdmgr.catalog.load import USER_FILE, Catalog, load_catalog
from kdmgr.catalog.match import match_student
from kdmgr.catalog.students import Grade, Student
from kdmgr.refs import parse_ollama_name


def entry(student_id: str = "tiny-mine-1b", **fields: Any) -> dict[str, Any]:
    return {"id": student_id, "name": "Tiny Mine 1B", "teacher": {"name": "Big Mine"}, **fields}


def load(folder: Path, *lines: object) -> Catalog:
    encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    (folder / USER_FILE).write_bytes(b"\n".join(encoded))
    return load_catalog(folder)


def get(catalog: Catalog, student_id: str) -> Student:
    student = catalog.get(student_id)
    assert student is not None
    return student


def test_no_file_is_no_fault(tmp_path: Path) -> None:
    assert len(load_catalog(tmp_path)) == len(load_catalog(tmp_path / "absent")) == len(load_catalog()) == 136
    assert load_catalog(tmp_path).broken == ()


def test_a_short_entry_is_added_and_what_it_leaves_out_is_unknown(tmp_path: Path) -> None:
    catalog = load(tmp_path, entry())
    student = get(catalog, "tiny-mine-1b")
    assert len(catalog) == 137
    assert [student.id for student in catalog] == sorted(student.id for student in catalog)
    assert student.from_user
    assert (student.parameters, student.publisher, student.lineage.method) == (None, None, "unknown")
    assert student.lineage.methods == ("unknown",)
    assert student.lineage.grade is Grade.UNVERIFIED, "no evidence was given"


def test_an_entry_replaces_the_shipped_one_whole(tmp_path: Path) -> None:
    catalog = load(tmp_path, entry("qwen3-8b", name="Qwen3 8B, my notes"))
    student = get(catalog, "qwen3-8b")
    assert len(catalog) == 136
    assert (student.name, student.from_user, student.scores) == ("Qwen3 8B, my notes", True, ())
    assert student.lineage.grade is Grade.UNVERIFIED, "the shipped evidence is not lent to another claim"
    assert [one.name for one in catalog.mentioning('"qwen3-8b"')] == ["Qwen3 8B, my notes"]


def test_an_entry_of_the_users_wins_a_match(tmp_path: Path) -> None:
    catalog = load(tmp_path, entry(ollama=[{"tag": "phi4:14b"}, {"tag": "me/tiny:1b"}]))
    for name in ("phi4:14b", "me/tiny:1b"):
        match = match_student(ModelFacts(ref=parse_ollama_name(name)), catalog)
        assert match is not None
        assert match.student.id == "tiny-mine-1b"


def test_a_blob_is_recognised_and_a_shape_rules_out(tmp_path: Path) -> None:
    digest = "ab" * 32
    catalog = load(tmp_path, entry(blobs=[digest], hf_repo="me/Tiny-Mine-1B", n_layer=16, n_vocab=32000))
    exact = match_student(ModelFacts(model_digest=f"sha256:{digest}"), catalog)
    assert exact is not None
    assert (exact.student.id, exact.certainty) == ("tiny-mine-1b", "exact")
    named = ModelFacts(name="Tiny Mine 1B", n_layer=16, n_vocab=32064)
    assert match_student(named, catalog) is not None
    assert match_student(ModelFacts(name="Tiny Mine 1B", n_layer=24), catalog) is None
    assert match_student(ModelFacts(name="Tiny Mine 1B", n_vocab=50000), catalog) is None


BROKEN: dict[str, tuple[object, str]] = {
    "cut": (b'{"id": "x", "name": ', "is not JSON: "),
    "a list": ([1, 2], "the line is not an object"),
    "not UTF-8": (b'{"id": "\xff"}', "is not UTF-8"),
    "endless nesting": (b"[" * 100_000, "is not JSON that can be read"),
    "NaN": (b'{"id": NaN}', "is not JSON that can be read"),
    "an endless number": (b'{"id": ' + b"9" * 5000 + b"}", "is not JSON that can be read"),
    "no name": ({"id": "x", "teacher": {"name": "T"}}, "name is missing"),
    "no teacher's name": ({"id": "x", "name": "X", "teacher": {}}, "teacher.name is missing"),
    "a teacher that is text": (entry(teacher="Big"), "teacher is not an object"),
    "a misspelt field": (entry(licens="MIT"), "unknown field 'licens'"),
    "a misspelt inner field": (entry(evidence={"link": "https://x.y"}), "unknown field 'evidence.link'"),
    "an unknown method": (entry(method="osmosis"), "method is 'osmosis'; one of "),
    "an unknown confidence": (entry(evidence={"confidence": "total"}), "evidence.confidence is 'total'"),
    "a score without a source": (entry(scores=[{"benchmark": "B", "student": 1}]), "scores.source_url is missing"),
    "a score that is text": (
        entry(scores=[{"benchmark": "B", "student": "high", "source_url": "https://x.y/z"}]),
        "scores.student is 'high'; a number is expected",
    ),
    "a link that runs code": (entry(evidence={"url": "javascript:alert(1)"}), "evidence.url is 'javascript:alert(1)'"),
    "a link over two lines": (entry(evidence={"url": "https://x.y/\nz"}), "evidence.url is 'https://x.y/\\nz'"),
    "sizes as text": (entry(parameters="1.5B"), "parameters is '1.5B'; a whole number above zero is expected"),
    "a negative size": (entry(parameters=-1), "parameters is -1;"),
    "a month that is none": (entry(released="2025-13"), "released is '2025-13'; expected: a month, YYYY-MM"),
    "an id with a path": (entry("../../etc/passwd"), "id is '../../etc/passwd'"),
    "a tag with a digest": (entry(ollama=[{"tag": "x@sha256:1"}]), "ollama.tag: invalid model name"),
    "a repository that is a path": (entry(hf_repo="../x"), "hf_repo is '../x'; expected: owner/name"),
    "an endless text": (entry(notes="x" * 5000), "notes is not a text of at most 4000 characters"),
    "an id given before": (entry("first"), "the id 'first' is used by an earlier line"),
}


@pytest.mark.parametrize(("line", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_line_is_named_and_hides_no_other(tmp_path: Path, line: object, reason: str) -> None:
    catalog = load(tmp_path, entry("first"), b"", line, entry("last"))
    [broken] = catalog.broken
    assert broken.number == 3
    assert broken.reason.startswith(reason)
    assert str(broken).startswith(f"{tmp_path / USER_FILE}:3: ")
    assert "\n" not in broken.reason
    assert len(broken.reason) < 300
    assert get(catalog, "first").from_user
    assert get(catalog, "last").from_user
    assert len(catalog) == 138


def test_hostile_text_is_made_harmless(tmp_path: Path) -> None:
    catalog = load(
        tmp_path,
        entry(
            name="Tiny \x1b[31mRed\x1b[0m\r\nMine [Q4_K_M] \u202e",
            publisher="a\x00b",
            notes="one\ntwo\x9b2J",
            teacher={"name": "\ud800"},
        ),
        entry("\x1b[2J"),
    )
    student = get(catalog, "tiny-mine-1b")
    assert student.name == "Tiny \ufffd[31mRed\ufffd[0m\ufffd Mine [Q4_K_M] \ufffd"
    assert (student.publisher, student.notes) == ("a\ufffdb", "one\ntwo\ufffd2J")
    assert student.lineage.teacher.name.isprintable()
    assert [broken.number for broken in catalog.broken] == [2]
    assert catalog.broken[0].reason.isprintable()


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    text = "\ufeff" + "\r\n".join(json.dumps(entry(name)) for name in ("one", "two")) + "\r\n"
    (tmp_path / USER_FILE).write_bytes(text.encode())
    catalog = load_catalog(tmp_path)
    assert (len(catalog), catalog.broken) == (138, ())


def test_a_file_that_cannot_be_used_leaves_the_shipped_students(tmp_path: Path) -> None:
    (tmp_path / "folder" / USER_FILE).mkdir(parents=True)
    (tmp_path / "large").mkdir()
    with (tmp_path / "large" / USER_FILE).open("wb") as file:
        file.truncate(64 << 20)
    for folder, reason in (("folder", "is not a regular file"), ("large", "is larger than 4 MiB")):
        catalog = load_catalog(tmp_path / folder)
        assert len(catalog) == 136
        assert [(broken.number, broken.reason) for broken in catalog.broken] == [(None, reason)]


def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    make_pipe = getattr(os, "mkfifo", os.mkdir)
    make_pipe(tmp_path / USER_FILE)
    catalog = load_catalog(tmp_path)
    assert (len(catalog), len(catalog.broken)) == (136, 1)
