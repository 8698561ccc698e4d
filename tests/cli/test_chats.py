"""Saved chats on the command line, with a real model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.console import Cli


@pytest.fixture
def chatted(cli: Cli, smollm_gguf: Path) -> Cli:
    """One saved chat of one turn."""
    assert cli("chat", smollm_gguf, "Name three colours.", "-n", "8", "--quiet").code == 0
    return cli


def test_a_chat_is_kept_found_and_gone_on_with(chatted: Cli, smollm_gguf: Path) -> None:
    cli = chatted
    listed = cli("chats")
    assert "Name three colours." in listed.out and "tok/s" in listed.out
    assert "--resume 1" in listed.err
    ran = cli("chat", smollm_gguf, "And one more?", "--resume", "last", "--seed", "1")
    assert ran.code == 0 and "going on with chat 1" in ran.err and "1 turns so far" in ran.err
    shown = cli("chats", "show", "last").out
    assert shown.index(">>> Name three colours.") < shown.index(">>> And one more?")
    body = json.loads(cli("chats", "search", "COLOURS", "more", "--json").out)
    assert body["schema_version"] == 1
    (chat,) = body["chats"]
    assert (chat["id"], chat["turns"], chat["parameters"]) == (1, 2, {"num_predict": 8, "seed": 1})
    assert cli("chats", "search", "unheard").code == 1


def test_no_save_keeps_nothing(cli: Cli, smollm_gguf: Path, tmp_path: Path) -> None:
    assert cli("chat", smollm_gguf, "Hi", "-n", "2", "--no-save").code == 0
    assert not (tmp_path / "data" / "chats.db").exists()
    assert "no chat is saved yet" in cli("chats").err


def test_an_export_to_a_file_and_back(chatted: Cli, tmp_path: Path) -> None:
    cli = chatted
    markdown, json_file = tmp_path / "a.md", tmp_path / "a.json"
    assert cli("chats", "export", "1", "-o", markdown).code == 0
    text = markdown.read_text()
    assert text.startswith("# Name three colours.\n") and "> Name three colours.\n" in text and "tok/s" in text
    assert cli("chats", "export", "1", "-o", json_file).code == 0
    (turn,) = json.loads(json_file.read_text())["turns"]
    assert turn["question"] == "Name three colours." and turn["figures"]["n_output"] == 8
    again = cli("chats", "export", "1", "-o", markdown)
    assert again.code == 1 and "there already" in again.err and "--force" in again.err
    assert cli("chats", "export", "1", "-o", markdown, "--force").code == 0
    assert cli("chats", "export", "1", "--format", "md").out == text


def test_names_and_removal(chatted: Cli) -> None:
    cli = chatted
    assert cli("chats", "rename", "1", "Colours", "of", "things").code == 0
    assert "Colours of things" in cli("chats").out
    unasked = cli("chats", "rm", "1")
    assert unasked.code == 2 and "--yes" in unasked.err and "Colours of things" in unasked.err
    assert cli("chats", "rm", "1", "last", "--yes").code == 0
    assert cli("chats", "show", "1").code == 4
    assert cli("chats", "show", "x").code == 2


def test_a_chat_that_is_not_there(cli: Cli, smollm_gguf: Path) -> None:
    ran = cli("chat", smollm_gguf, "Hi", "--resume", "last")
    assert ran.code == 4 and "no chat with" in ran.err
    assert cli("chat", smollm_gguf, "Hi", "--resume", "7").code == 4


def test_a_picture_is_refused_where_none_is_seen(cli: Cli, smollm_gguf: Path) -> None:
    ran = cli("chat", smollm_gguf, "What is it?", "--image", "cat.png")
    assert ran.code == 2 and "sees no pictures" in ran.err and "Ollama" in ran.err
