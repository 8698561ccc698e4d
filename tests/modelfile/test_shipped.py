"""The Modelfiles that come with kdmgr: one per student family, sound, and the template of its family."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.catalog.load import load_catalog
from kdmgr.modelfile.go_template.chat import read_chat_template, render_chat
from kdmgr.modelfile.lint import lint_modelfile
from kdmgr.modelfile.parse import parse
from kdmgr.modelfile.shipped import read_shipped, shipped_names
from kdmgr.modelfile.templates import detect_family, families

# Ollama runs no models that listen.
NOT_FOR_OLLAMA = {"distil-whisper"}
WITHOUT_TEMPLATE = {
    "all-minilm", "bge-m3", "boomerang-qwen3", "distil", "embeddinggemma", "granite-embedding", "minilm", "minitron",
    "paraphrase-multilingual",
}  # fmt: skip


def test_every_student_family_has_one(tmp_path: Path) -> None:
    students = {student.family for student in load_catalog(tmp_path)}
    assert set(shipped_names()) == students - NOT_FOR_OLLAMA


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
