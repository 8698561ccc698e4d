"""`kdmgr students add` and `remove`: finds kept as entries of the user's own, claimed at most."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.console import Cli
from tests.support.hub_entries import GGUF_CARD, ORIGINAL_R1, QUANTIZED_R1, R1_7B, R1_CARD, hub_entry
from tests.support.publisher import HubSite, Site

OPUS = "someone/Qwen3-4B-opus-distill"
CLAIM = "It was distilled from Claude Opus."


@pytest.fixture
def hub(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSite]:
    with Site() as cdn, HubSite(cdn) as hub:
        hub.list_repo(QUANTIZED_R1, GGUF_CARD)
        hub.list_repo(ORIGINAL_R1, R1_CARD)
        tags = ("license:apache-2.0", f"base_model:{OPUS}", f"base_model:quantized:{OPUS}")
        hub.list_repo(hub_entry(f"{OPUS}-GGUF", *tags, architecture="qwen3", parameters=4_022_468_096))
        hub.list_repo(hub_entry(OPUS, architecture=None), f"# Hello\n{CLAIM}")
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "config" / "students.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def test_a_find_is_kept_with_what_its_card_claims(cli: Cli, hub: HubSite, tmp_path: Path) -> None:
    ran = cli("students", "add", f"hf.co/{OPUS}-GGUF")
    assert ran.code == 0
    assert f"written to {tmp_path / 'config' / 'students.jsonl'}" in ran.err
    (entry,) = lines(tmp_path)
    assert (entry["id"], entry["name"]) == ("qwen3-4b-opus-distill", "Qwen3-4B-opus-distill")
    assert entry["publisher"] == "someone"
    assert (entry["hf_repo"], entry["gguf_repos"]) == (OPUS, [f"{OPUS}-GGUF"])
    assert (entry["parameters"], entry["architecture"], entry["licence"]) == (4_022_468_096, "qwen3", "apache-2.0")
    assert entry["teacher"] == {"name": "not named"}, "who taught it is for the user to say, not for kdmgr to guess"
    assert entry["evidence"] == {
        "confidence": "medium",
        "url": f"{hub.url}/{OPUS}",
        "where": f"model card: “{CLAIM}”",
    }
    shown = cli("students", "Qwen3-4B-opus")
    assert "claimed" in shown.out
    assert shown.err.startswith("1 of ")
    found = json.loads(cli("search", "opus", "--json").out)["finds"]
    assert found[0]["student"] == "qwen3-4b-opus-distill"


def test_what_the_user_says_is_kept_as_said(cli: Cli, hub: HubSite, tmp_path: Path) -> None:
    said = ("--teacher", "Claude Opus 4", "--method", "synthetic-data", "--name", "Opus 4B", "--id", "mine")
    assert cli("students", "add", f"hf.co/{OPUS}-GGUF", *said).code == 0
    page = ("--teacher", "Claude", "--evidence", "https://example.com/post", "--id", "second")
    assert cli("students", "add", f"hf.co/{OPUS}-GGUF", *page).code == 0
    mine, second = lines(tmp_path)
    assert (mine["id"], mine["name"], mine["teacher"]["name"]) == ("mine", "Opus 4B", "Claude Opus 4")
    assert (mine["method"], mine["unverified"]) == ("synthetic-data", ["teacher.name", "method"])
    assert second["evidence"]["url"] == "https://example.com/post"
    grades = {student["id"]: student["evidence"] for student in json.loads(cli("students", "--json").out)["students"]}
    assert (grades["mine"], grades["second"]) == ("claimed", "claimed")


def test_without_a_claim_it_stays_unverified(cli: Cli, hub: HubSite, tmp_path: Path) -> None:
    hub.list_repo(hub_entry(OPUS, architecture=None), "New.")
    ran = cli("students", "add", f"hf.co/{OPUS}-GGUF", "--teacher", "Claude")
    assert "unverified" in ran.out
    assert lines(tmp_path)[0]["evidence"] == {"confidence": "low"}


def test_nobody_loses_an_entry_unasked(cli: Cli, hub: HubSite, tmp_path: Path) -> None:
    asked = cli("students", "add", f"hf.co/{QUANTIZED_R1['id']}")
    assert (asked.code, lines(tmp_path)) == (2, [])
    assert "the catalog has a deepseek-r1-distill-qwen-7b (documented), which your entry would hide" in asked.err
    other = cli("students", "add", f"hf.co/{QUANTIZED_R1['id']}", "--id", "other")
    assert "the catalog has it as deepseek-r1-distill-qwen-7b (documented)" in other.err
    assert (other.code, lines(tmp_path)) == (2, [])
    assert cli("students", "add", f"hf.co/{OPUS}-GGUF").code == 0
    again = cli("students", "add", f"hf.co/{OPUS}-GGUF", "--teacher", "X")
    assert (again.code, lines(tmp_path)[0]["teacher"]["name"]) == (2, "not named")
    assert "your students have a qwen3-4b-opus-distill already" in again.err
    assert cli("students", "add", f"hf.co/{OPUS}-GGUF", "--teacher", "X", "--yes").code == 0
    assert [entry["teacher"]["name"] for entry in lines(tmp_path)] == ["X"]


def test_a_dry_run_writes_nothing(cli: Cli, hub: HubSite, tmp_path: Path) -> None:
    body = json.loads(cli("students", "add", f"hf.co/{R1_7B}", "--dry-run", "--json").out)
    assert (body["written"], body["entry"]["hf_repo"]) == (False, R1_7B)
    assert "gguf_repos" not in body["entry"]
    assert lines(tmp_path) == []


def test_what_makes_no_entry(cli: Cli, hub: HubSite, tmp_path: Path) -> None:
    ref = f"hf.co/{OPUS}-GGUF"
    for arguments, words in (
        ((ref, "--evidence", "javascript:alert(1)"), "evidence.url is 'javascript:alert(1)'"),
        ((ref, "--method", "osmosis"), "no such method: 'osmosis'"),
        ((ref, "--id", "../x"), "id is '../x'"),
        ((ref, "--name", "???"), "no id can be made of '???'"),
        (("./model.gguf",), "is a file"),
        (("phi3:mini",), "nothing says who taught phi3:mini"),
    ):
        ran = cli("students", "add", *arguments, "--dry-run")
        assert (ran.code, ran.out) == (2, "")
        assert words in ran.err
    assert cli("students", "add", "hf.co/no/body").code == 4


def test_offline_the_user_s_word_is_enough(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert cli("students", "add", f"hf.co/{OPUS}-GGUF").code == 3
    ran = cli("students", "add", f"hf.co/{OPUS}-GGUF", "--teacher", "Claude")
    assert ran.code == 0
    assert "the Hub was not asked (HF_HUB_OFFLINE is set)" in ran.err
    assert cli("students", "add", "me/tiny:1b", "--teacher", "Big", "--id", "tiny").code == 0
    assert [entry["id"] for entry in lines(tmp_path)] == ["qwen3-4b-opus-distill", "tiny"]


def test_only_one_s_own_are_removed_after_asking(cli: Cli, tmp_path: Path) -> None:
    assert cli("students", "add", "me/tiny:1b", "--teacher", "Big", "--id", "tiny").code == 0
    assert cli("students", "remove", "tiny").code == 2, "nobody can be asked here"
    shipped = cli("students", "remove", "qwen3-8b", "--yes")
    assert shipped.code == 4
    assert "it comes with kdmgr, and stays" in shipped.err
    assert len(lines(tmp_path)) == 1
    assert cli("students", "rm", "tiny", "-y").code == 0
    assert lines(tmp_path) == []
    assert cli("students", "remove", "tiny", "-y").code == 4


def test_listing_is_as_it_was(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("students", "deepseek").code == 0
    searched = cli("students", "--", "add")
    assert searched.code == 0
    assert "students" in searched.err
    for words, expected in ((("students",), "kdmgr students add: "), (("students", "add"), "--teacher")):
        with pytest.raises(SystemExit) as stopped:
            cli(*words, "--help")
        assert stopped.value.code == 0
        assert expected in capsys.readouterr().out
