"""`kdmgr import` into a server, as a user sees it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdmgr.cli.commands.import_ import split_words
from kdmgr.errors import UsageError
from tests.services.importing_rig import MIB, write_model
from tests.support.blob_server import BlobServer, hang_up
from tests.support.console import Cli


@pytest.fixture
def server(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[BlobServer]:
    with BlobServer() as server:
        monkeypatch.setenv("OLLAMA_HOST", server.host)
        yield server


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny.gguf")


def test_a_server_that_answers_gets_the_model(cli: Cli, server: BlobServer, model: Path) -> None:
    ran = cli("import", model, "tiny", "--no-smoke", "--teacher", "Big 7B")
    assert ran.code == 0
    assert server.host in ran.out
    assert "fit: " in ran.err
    shown = cli("show", "tiny", "--receipt")
    assert shown.code == 0
    assert "Big 7B" in shown.out
    assert json.loads(cli("show", "tiny", "--receipt", "--json").out)["store"] == "ollama"
    assert cli("show", "none", "--receipt").code == 4


def test_to_own_never_asks_the_server(cli: Cli, server: BlobServer, smollm_gguf: Path) -> None:
    assert cli("import", smollm_gguf, "smol", "--to", "own").code == 0
    assert server.asked == []
    assert "smol:latest" in cli("ls").out


def test_to_ollama_needs_one(cli: Cli, model: Path) -> None:
    assert cli("import", model, "tiny", "--to", "ollama").code == 3
    assert cli("import", model, "tiny", "-q", "q8_0").code == 3
    assert cli("import", model, "tiny", "-q", "q8_0", "--to", "own").code == 2


def test_a_dry_run_sends_nothing_and_shows_the_modelfile(cli: Cli, server: BlobServer, model: Path) -> None:
    ran = cli("import", model, "--dry-run")
    assert ran.code == 0
    assert ran.out.startswith(f"FROM {model}")
    assert "tiny:f32 would be made" in ran.err
    assert server.uploads() == 0
    assert server.created == []


def test_a_name_is_made_where_none_is_given(cli: Cli, server: BlobServer, model: Path) -> None:
    assert cli("import", model, "--quiet", "--no-smoke").out == "tiny:f32\n"


def test_a_taken_name_is_asked_about(
    cli: Cli, server: BlobServer, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("import", model, "tiny", "--no-smoke").code == 0
    refused = cli("import", model, "tiny", "--no-smoke")
    assert refused.code == 2
    assert "--replace" in refused.err
    for answer, made in (("n\n", 1), ("y\n", 2)):
        asked = io.StringIO(answer)
        asked.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stdin", asked)
        assert cli("import", model, "tiny", "--no-smoke").code == 0
        assert len(server.created) == made
    assert cli("import", model, "tiny", "--no-smoke", "--yes").code == 0
    assert len(server.created) == 3


def test_the_smoke_test_is_part_of_the_receipt(cli: Cli, server: BlobServer, model: Path) -> None:
    server.answer = "<|im_start|>user"
    ran = cli("import", model, "tiny", "--json")
    smoke = json.loads(ran.out)["smoke"]
    assert smoke["answer"] == "<|im_start|>user"
    assert smoke["comparison"].startswith("not compared")
    assert any("chat template" in hint for hint in smoke["hints"])
    assert "looks odd" in cli("show", "tiny", "--receipt").out


def test_a_history_begins_with_the_first_load(cli: Cli, server: BlobServer, model: Path) -> None:
    assert "nothing was loaded" in cli("fit", "--history").err
    assert cli("fit").code == 2
    cli("import", model, "tiny")
    body = json.loads(cli("fit", "--history", "--json").out)
    assert (body["schema_version"], body["loads"]) == (1, [])
    assert [speed["decode_tok_s"] for speed in body["speeds"]] == [20.0]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send to one process on Windows")
def test_ctrl_c_ends_an_import_at_once_and_loses_nothing(cli: Cli, server: BlobServer, tmp_path: Path) -> None:
    model = write_model(tmp_path / "large.gguf", 64 * MIB)
    half = {"reached": False}

    def wait() -> None:
        half["reached"] = True
        time.sleep(5)

    server.during = wait
    command = [sys.executable, "-m", "kdmgr", "import", str(model), "large", "--no-smoke"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ), text=True)
    until = time.monotonic() + 20
    while not half["reached"]:
        assert time.monotonic() < until
        time.sleep(0.02)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert time.monotonic() - started < 3
    assert "no model was made" in err
    assert "Traceback" not in err
    server.during = lambda: None
    assert server.created == []
    assert cli("import", model, "large", "--no-smoke").code == 0


def test_a_server_that_dies_is_one_line_and_a_hint(cli: Cli, server: BlobServer, model: Path) -> None:
    server.faults["CREATE"] = [hang_up(10**6)]
    ran = cli("import", model, "tiny", "--no-smoke", "--quiet")
    assert ran.code == 1
    assert ran.err.count("\n") == 2
    assert "import again" in ran.err


@pytest.mark.parametrize(
    ("words", "sources", "name"),
    [
        (["a.gguf"], ["a.gguf"], None),
        (["a.gguf", "m"], ["a.gguf"], "m"),
        (["a.gguf", "mmproj.GGUF", "me/m:1b"], ["a.gguf", "mmproj.GGUF"], "me/m:1b"),
        (["folder"], ["folder"], None),
        (["folder", "m"], ["folder"], "m"),
        (["a.gguf", "./folder"], ["a.gguf", "folder"], None),
        (["."], ["."], None),
    ],
)
def test_the_last_word_is_a_name_unless_it_is_written_as_a_path(
    words: list[str], sources: list[str], name: str | None
) -> None:
    assert split_words(words, has_modelfile=False) == ([Path(source) for source in sources], name)


def test_a_modelfile_may_name_all_sources() -> None:
    assert split_words(["m"], has_modelfile=True) == ([], "m")
    assert split_words([], has_modelfile=True) == ([], None)
    with pytest.raises(UsageError, match="nothing to import"):
        split_words([], has_modelfile=False)
