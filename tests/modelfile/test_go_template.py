"""Go templates, rendered as Ollama renders them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from kdmgr.modelfile.go_template.chat import read_chat_template, render_chat
from kdmgr.modelfile.go_template.nodes import TemplateError, UnsupportedTemplate

# What ollama/ollama's template package (v0.24.0) made of each template: hand-made ones, and random ones. Those
# that print a whole message, which Go shows as a memory address, are left out.
OUTCOMES = json.loads((Path(__file__).parent / "go_template_outcomes.json").read_text(encoding="utf-8"))


def outcome_of(template: str, turns: list[list[str]]) -> tuple[str, str]:
    """ "refused", "failed" or "printed", and what was printed."""
    try:
        chat = read_chat_template(template)
    except TemplateError:
        return "refused", ""
    try:
        return "printed", render_chat(chat, [(role, content) for role, content in turns])
    except TemplateError:
        return "failed", ""


@pytest.mark.parametrize("outcome", OUTCOMES, ids=range(len(OUTCOMES)))
def test_the_outcome_is_that_of_the_real_templates(outcome: dict[str, Any]) -> None:
    expected = "refused" if outcome["refused"] else "failed" if outcome["failed"] else "printed"
    assert outcome_of(outcome["template"], outcome["turns"]) == (expected, outcome["prompt"])


@pytest.mark.parametrize(
    ("template", "line", "reason"),
    [
        ("a\n{{ if .System }}\n", 2, "has no"),
        ("{{ .Mesages", 1, "not closed"),
        ("x\n\n{{ foo .System }}", 3, "'foo' is not defined"),
        ("{{ range .Messages }}{{ $m.Content }}{{ end }}", 1, "undefined variable '$m'"),
    ],
)
def test_a_refusal_names_the_line(template: str, line: int, reason: str) -> None:
    with pytest.raises(TemplateError, match="template, line") as caught:
        read_chat_template(template)
    assert caught.value.line == line
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    "template",
    [
        '{{ define "a" }}{{ template "a" . }}{{ end }}{{ range .Messages }}{{ template "a" . }}{{ end }}',
        "{{ range 99999 }}{{ range 99999 }}x{{ end }}{{ end }}{{ range .Messages }}{{ end }}",
        "{{ if .System }}" * 300 + "{{ end }}" * 300,
        "{{ " + "(" * 5000 + ".System" + ")" * 5000 + " }}",
    ],
)
def test_hostile_templates_come_to_an_end(template: str) -> None:
    started = time.monotonic()
    with pytest.raises(UnsupportedTemplate):
        render_chat(read_chat_template(template), [("user", "hi")])
    assert time.monotonic() - started < 5


def test_tools_print_as_json_and_can_be_gone_through() -> None:
    tool = {"type": "function", "function": {"name": "now", "description": "the time", "parameters": {}}}
    chat = read_chat_template(
        "{{ range .Tools }}{{ .Function.Name }}: {{ json .Function }}{{ end }}{{ range .Messages }}{{ end }}"
    )
    assert render_chat(chat, [("user", "hi")], tools=[tool]).startswith('now: {"Name":"now"')
