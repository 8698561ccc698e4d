"""Modelfiles: read as Ollama's own parser reads them, and written so that nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdmgr.errors import NotFound
from kdmgr.modelfile.commands import Command, Modelfile, ModelfileError
from kdmgr.modelfile.parse import parse
from kdmgr.modelfile.render import render, render_command
from kdmgr.modelfile.shipped import read_shipped

# What ollama/ollama's parser (v0.24.0) made of each input: hand-made edge cases, and random ones.
OUTCOMES = json.loads((Path(__file__).parent / "real_outcomes.json").read_text(encoding="utf-8"))


def as_ollama_names_them(modelfile: Modelfile) -> list[list[str]]:
    named = []
    for command in modelfile.commands:
        name = {"from": "model", "parameter": command.argument or ""}.get(command.name, command.name)
        value = f"{command.argument}: {command.value}" if command.name == "message" else command.value
        named.append([name, value])
    return named


@pytest.mark.parametrize("outcome", OUTCOMES, ids=range(len(OUTCOMES)))
def test_the_outcome_is_that_of_the_real_parser(outcome: dict[str, object]) -> None:
    text = str(outcome["input"])
    if outcome["error"]:
        with pytest.raises(ModelfileError):
            parse(text)
    else:
        modelfile = parse(text)
        assert as_ollama_names_them(modelfile) == outcome["commands"]
        again = parse(render(modelfile))
        assert as_ollama_names_them(again) == outcome["commands"]


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("FROM x\nPARAMETR top_k 3", 2, "PARAMETER"),
        ("FROM x\r\n\r\nPARAMETER tempature 1", 3, "temperature"),
        ("FROM x\nPARAMETER top-k 3", 2, "top_k"),
        ("FROM x\nPARAMETER top_k 1.5", 2, "without a point"),
        ('FROM x\nSYSTEM a\nTEMPLATE """\n\nb', 3, '"""'),
        ('FROM x\nSYSTEM\n"""a"""', 2, "same line"),
        ("```\nFROM x", 1, "```"),
        ("FROM x\nMESSAGE user: hi", 2, "no colon"),
        ("FROM x\nMESSAGE tool hi", 2, "assistant"),
        ("FROM x\nPARAMETER use_mmap yes", 2, "true"),
        ("SYSTEM x", None, "FROM"),
        (b"\xff\xfeF\x00", 1, "FROM"),
    ],
)
def test_errors_name_the_line_and_what_to_do(text: str | bytes, line: int | None, hint: str) -> None:
    with pytest.raises(ModelfileError) as caught:
        parse(text)
    assert caught.value.line == line
    assert hint in (caught.value.hint or "")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_encoding_that_ollama_reads(encoding: str) -> None:
    assert parse("FROM x\nSYSTEM é模型".encode(encoding)).system == "é模型"


def test_a_model_given_instead_of_a_modelfile_is_refused_at_once() -> None:
    with pytest.raises(ModelfileError, match="too large"):
        parse(b"GGUF" + bytes(5 << 20))


def test_parameters_are_typed_and_stop_collects() -> None:
    text = (
        'FROM x\nPARAMETER temperature .5\nPARAMETER top_k 3\nPARAMETER stop a\nPARAMETER stop "b c"\nPARAMETER top_k 4'
    )
    assert parse(text).parameters == {"temperature": 0.5, "top_k": 4, "stop": ("a", "b c")}


def test_deprecated_parameters_are_dropped_with_a_warning() -> None:
    modelfile = parse("FROM x\nPARAMETER mirostat 1")
    assert modelfile.parameters == {}
    assert any("mirostat" in warning for warning in modelfile.warnings)


def test_a_swallowed_command_is_warned_of() -> None:
    modelfile = parse('FROM x\nSYSTEM "abc" def\nTEMPLATE "x"')
    assert any("looks like another command" in warning for warning in modelfile.warnings)


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "",
        " spaces ",
        "a\nb",
        'say "hi"',
        '"quoted"',
        'ends with "',
        'a"\nb',
        "tab\tx",
        '"',
        "# not a comment",
        'x"""',
    ],
)
def test_any_value_survives(value: str) -> None:
    command = Command("system", value)
    assert parse(render_command(command) + "\nFROM x\n").system == value


@pytest.mark.parametrize("value", ["zero\u200bwidth", "bell\x07", '"""\n"""\nx"'])
def test_what_no_modelfile_can_hold_is_an_error_and_never_altered(value: str) -> None:
    with pytest.raises(ModelfileError):
        render_command(Command("system", value))


def test_a_family_that_is_not_shipped_is_not_found() -> None:
    with pytest.raises(NotFound, match="no Modelfile named"):
        read_shipped("../pyproject")
