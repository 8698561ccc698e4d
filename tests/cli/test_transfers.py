"""`kdmgr transfers`: what was brought, by whichever front end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.services.importing_rig import write_model
from tests.support.console import Cli


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny.gguf")


def test_an_import_is_listed_with_its_receipt(cli: Cli, model: Path) -> None:
    assert "nothing was pulled or imported" in cli("transfers").err
    assert cli("import", model, "tiny", "--to", "own", "--teacher", "Big 7B").code == 0
    ran = cli("transfers")
    (line,) = ran.out.splitlines()[1:]
    assert [word in line for word in ("import", "tiny:latest", "done", "yes", "kdmgr")] == [True] * 5
    told = cli("transfers", "tiny").out
    assert "Big 7B" in told and str(model) in told and "installed, unchanged" in told
    assert cli("history", "nobody").code == 4


def test_json_has_the_receipt(cli: Cli, model: Path) -> None:
    cli("import", model, "tiny", "--to", "own")
    body = json.loads(cli("transfers", "--json").out)
    assert body["schema_version"] == 1
    (found,) = body["transfers"]
    assert (found["kind"], found["phase"], found["total_bytes"]) == ("import", "done", model.stat().st_size)
    assert found["receipt"]["name"] == "tiny:latest"


def test_a_failed_import_is_listed_with_why(cli: Cli, model: Path) -> None:
    cli("import", model, "tiny", "--to", "own")
    assert cli("import", model, "tiny", "--to", "own").code == 2
    ran = cli("transfers")
    assert [line.split()[4] for line in ran.out.splitlines()[1:]] == ["failed", "done"]
    assert "tiny:latest exists already" in ran.err


def test_forgetting_asks_and_leaves_model_and_receipt(cli: Cli, model: Path) -> None:
    cli("import", model, "tiny", "--to", "own")
    assert cli("transfers", "--forget").code == 2
    assert cli("transfers", "tiny", "--forget", "--yes").code == 0
    assert cli("transfers").out == ""
    assert "tiny:latest" in cli("ls").out
    assert cli("show", "tiny", "--receipt").code == 0
    assert "nothing to forget" in cli("transfers", "--forget").err
