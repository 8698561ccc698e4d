"""Where a model came from and who taught it, from the pull or the import on: shown under every name it gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.importing_rig import write_model
from tests.services.test_pulls import hub_of
from tests.support.blob_registry import BlobRegistry
from tests.support.blob_server import BlobServer
from tests.support.console import Cli
from tests.support.hub_entries import hub_entry
from tests.support.publisher import HubSite

REF = "hf.co/me/Smol-GGUF:Q4_1"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(cli: Cli, smollm_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSite]:
    with hub_of(smollm_gguf) as (hub, _cdn, _digest):
        hub.list_repo(hub_entry("me/Smol-GGUF", architecture="llama"))
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def test_a_pull_from_the_hub_is_known_under_a_new_name(cli: Cli, hub: HubSite, tmp_path: Path) -> None:
    entry = {"id": "smol-mine", "name": "Smol mine", "teacher": {"name": "Big"}, "gguf_repos": ["me/Smol-GGUF"]}
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "students.jsonl").write_text(json.dumps(entry), encoding="utf-8")
    assert cli("pull", REF, "--yes").code == 0
    assert cli("mv", REF, "mine").code == 0
    shown = cli("show", "mine")
    assert f"{REF} of {hub.url}, file Smol.Q4_1.gguf, revision {COMMIT[:12]}, pulled on " in shown.out
    body = json.loads(cli("show", "mine", "--json").out)
    assert (body["student"], body["pulled"]["revision"]) == ("smol-mine", COMMIT)
    receipt = json.loads(cli("show", "mine", "--receipt", "--json").out)
    assert (receipt["kind"], receipt["source"], receipt["name"]) == ("pull", REF, "mine:latest")
    assert COMMIT in cli("show", "mine", "--receipt").out
    (listed,) = json.loads(cli("list", "--json").out)["models"]
    assert (listed["name"], listed["student"]) == ("mine:latest", "smol-mine")
    assert json.loads(cli("fit", "mine", "--vram", "4GiB", "--json").out)["student"]["id"] == "smol-mine"
    assert cli("rm", "mine", "--yes").code == 0
    assert cli("show", "mine", "--receipt").code == 4


def test_a_hub_that_names_no_commit_keeps_nobody_from_pulling(cli: Cli, hub: HubSite) -> None:
    hub.listing.clear()
    assert cli("pull", REF, "--yes").code == 0
    receipt = json.loads(cli("show", REF, "--receipt", "--json").out)
    assert (receipt["revision"], receipt["file"]) == (None, "Smol.Q4_1.gguf")


def test_a_pull_from_a_registry_keeps_its_digest(cli: Cli, smollm_gguf: Path, tmp_path: Path) -> None:
    with BlobRegistry(tmp_path) as registry:
        registry.publish("library/smol:1b", model=smollm_gguf)
        name = f"{registry.host}/library/smol:1b"
        assert cli("pull", name, "--yes").code == 0
        assert cli("cp", name, "copy").code == 0
    body = json.loads(cli("show", "copy", "--json").out)
    assert body["pulled"]["place"] == "registry"
    assert body["pulled"]["source"] == name
    assert body["pulled"]["manifest_digest"] == body["digest"]


def test_what_is_said_at_an_import_into_the_store_is_shown_as_said(cli: Cli, smollm_gguf: Path) -> None:
    said = ("--teacher", "Llama 3.1 70B", "--method", "synthetic-data")
    ran = cli("import", smollm_gguf, "smol", "--to", "own", *said)
    assert ran.code == 0
    words = "Llama 3.1 70B, method synthetic-data (said by you at the import of "
    assert words in ran.out
    assert cli("cp", "smol", "copy").code == 0
    for name in ("smol", "copy"):
        assert words in cli("show", name).out
        assert words in cli("show", name, "--receipt").out
        notes = json.loads(cli("fit", name, "--vram", "4GiB", "--json").out)["notes"]
        assert any(note.startswith(f"teacher {words}") for note in notes)
    assert json.loads(cli("show", "smol", "--receipt", "--json").out)["teacher_from"] == "user"


def test_what_is_said_at_an_import_into_a_server_is_kept(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BlobServer() as server:
        monkeypatch.setenv("OLLAMA_HOST", server.host)
        model = write_model(tmp_path / "tiny.gguf")
        assert cli("import", model, "tiny", "--no-smoke", "--teacher", "Big 7B").code == 0
    receipt = json.loads(cli("show", "tiny", "--receipt", "--json").out)
    assert (receipt["teacher"], receipt["teacher_from"], receipt["method"]) == ("Big 7B", "user", None)


def test_a_method_that_is_none_is_refused_before_the_work(cli: Cli, smollm_gguf: Path) -> None:
    ran = cli("import", smollm_gguf, "smol", "--to", "own", "--method", "osmosis")
    assert ran.code == 2
    assert "hint: one of sequence-level" in ran.err
    assert cli("show", "smol").code == 4


def test_an_import_over_a_pull_has_the_import_s_receipt(cli: Cli, hub: HubSite, smollm_gguf: Path) -> None:
    assert cli("pull", REF, "--yes").code == 0
    assert cli("mv", REF, "smol").code == 0
    assert cli("import", smollm_gguf, "smol", "--to", "own", "--replace").code == 0
    assert "pulled on" not in cli("show", "smol").out
    assert json.loads(cli("show", "smol", "--receipt", "--json").out)["kind"] == "import"
