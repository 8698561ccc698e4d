"""The Modelfiles that come with kdmgr: one per student family, sound, and the template of its family."""

from __future__ import annotations

import pytest

from kdmgr.catalog.load import load_catalog
from kdmgr.modelfile.go_template.chat import read_chat_template, render_chat
from kdmgr.modelfile.lint import lint_modelfile
from kdmgr.modelfile.parse import parse
from kdmgr.modelfile.shipped import NEEDS_NONE, read_entries, read_shipped, shipped_names
from kdmgr.modelfile.templates import detect_family, families

WITHOUT_TEMPLATE = {
    "all-minilm", "bge-m3", "boomerang-qwen3", "distil", "embeddinggemma", "granite-embedding", "minilm", "minitron",
    "paraphrase-multilingual",
}  # fmt: skip


def test_every_student_has_one_or_a_reason_for_none() -> None:
    named = [student_id for name in shipped_names() for student_id in read_entries(read_shipped(name))]
    assert len(named) == len(set(named)), "one for each"
    students = {student.id for student in load_catalog()}
    assert set(named) | set(NEEDS_NONE) == students
    assert not set(named) & set(NEEDS_NONE)
    assert all(NEEDS_NONE.values())


@pytest.mark.parametrize("name", shipped_names())
def test_it_names_entries_that_exist_and_says_what_they_say(name: str) -> None:
    text = read_shipped(name)
    entries = read_entries(text)
    assert entries
    students = [student for student in load_catalog() if student.id in entries]
    assert [student.id for student in students] == sorted(entries)
    assert len({student.family for student in students}) == 1
    comments = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    # Wrapped lines end with a hyphen where a name has one.
    comments = comments.replace("- ", "-")
    standings = dict.fromkeys(student.lineage.standing for student in students)
    assert f"Evidence: {'; '.join(standings)}." in comments
    assert any(f"Source: {student.evidence.url}" in comments for student in students)
    for student in students:
        assert student.name.replace("- ", "-") in comments
        assert student.lineage.method in comments


@pytest.mark.parametrize("name", shipped_names())
def test_it_has_no_findings_and_teaches(name: str) -> None:
    text = read_shipped(name)
    assert lint_modelfile(text) == ()
    assert parse(text).sources == ("./model.gguf",)
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert "Taught by: " in " ".join(comments)
    assert len(comments) >= 4


@pytest.mark.parametrize("name", shipped_names())
def test_its_template_is_that_of_the_family_it_names(name: str) -> None:
    text = read_shipped(name)
    template = parse(text).template
    assert (template is None) is (name in WITHOUT_TEMPLATE)
    if template is not None and name != "llama-guard3":
        family = detect_family(template)
        assert family is not None
        assert template == family.template
        assert f"Template family: {family.name} (" in text
        stops = parse(text).parameters["stop"]
        assert isinstance(stops, tuple)
        assert set(stops) <= set(family.stops)


def test_the_guard_judges_the_last_turn_by_the_categories_it_is_given() -> None:
    chat = read_chat_template(parse(read_shipped("llama-guard3")).template or "")
    prompt = render_chat(chat, [("user", "How do I pick a lock?")])
    assert "S1: Violent Crimes." in prompt
    assert "User: How do I pick a lock?" in prompt
    assert "ONLY THE LAST User message" in prompt
    own = render_chat(chat, [("system", "S1: Locks."), ("user", "Hi"), ("assistant", "Hello")])
    assert "S1: Locks.\n<END" in own
    assert "ONLY THE LAST Agent message" in own


def test_all_templates_are_in_use_or_known() -> None:
    used = {detect_family(parse(read_shipped(name)).template or "") for name in shipped_names()} - {None}
    assert 15 <= len(used) <= len(families())
