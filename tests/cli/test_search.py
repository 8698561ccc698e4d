"""`kdmgr search` against a Hub on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.console import Cli
from tests.support.hub_entries import GGUF_CARD, ORIGINAL_R1, QUANTIZED_R1, R1_7B, R1_CARD, R1_CLAIM, hub_entry
from tests.support.publisher import HubSite, Page, Site
from tests.support.sparse import RECIPES, write_sparse

R1_REPO = "bartowski/DeepSeek-R1-Distill-Qwen-7B-GGUF"
OPUS = "someone/Qwen3-4B-opus-distill"


@pytest.fixture
def hub(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSite]:
    with Site() as cdn, HubSite(cdn) as hub:
        hub.list_repo(QUANTIZED_R1, GGUF_CARD)
        hub.list_repo(ORIGINAL_R1, R1_CARD)
        tags = ("trl", "sft", f"base_model:{OPUS}", f"base_model:quantized:{OPUS}")
        hub.list_repo(hub_entry(f"{OPUS}-GGUF", *tags, architecture="qwen3", parameters=4_022_468_096))
        hub.list_repo(hub_entry(OPUS, "base_model:finetune:Qwen/Qwen3-4B", architecture=None), "It is new.")
        hub.list_repo(hub_entry("c/Mistral-7B-GGUF", architecture="llama", downloads=5))
        hub.list_repo(hub_entry("a/FLUX-distilled-GGUF", architecture="flux", downloads=4))
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def paragraphs(text: str) -> dict[str, str]:
    """What is said of each repository, in one line."""
    found = (part.partition("\n") for part in text.strip().split("\n\n"))
    return {head: " ".join(body.split()) for head, _, body in found}


def test_suggestions_come_with_what_suggests_them(cli: Cli, hub: HubSite) -> None:
    ran = cli("search", "distill")
    assert ran.code == 0
    shown = paragraphs(ran.out)
    assert list(shown) == [f"hf.co/{R1_REPO}", f"hf.co/{OPUS}-GGUF"]
    r1 = shown[f"hf.co/{R1_REPO}"]
    assert 'suggests "Distill" in its name' in r1
    assert f"made from {R1_7B}, quantised" in r1
    assert "student is DeepSeek-R1-Distill-Qwen-7B of the catalog; teacher: DeepSeek-R1" in r1
    assert "58,211 downloads in 30 days · 211 likes" in r1
    assert "maybe on a teacher's texts (a weak sign)" in shown[f"hf.co/{OPUS}-GGUF"]
    assert "claimed" not in ran.out
    assert "2 shown, of 3 repositories looked at\n1 left out" in ran.err


def test_all_shows_what_nothing_suggests(cli: Cli, hub: HubSite) -> None:
    shown = paragraphs(cli("search", "--all", "g").out)
    assert "nothing suggests that it was distilled" in shown["hf.co/c/Mistral-7B-GGUF"]
    assert "flux (whether Ollama loads it is not known)" in shown["hf.co/a/FLUX-distilled-GGUF"]


def test_the_original_s_card_is_quoted_as_a_claim(cli: Cli, hub: HubSite) -> None:
    shown = paragraphs(cli("search", "--evidence").out)
    assert f"claimed “{R1_CLAIM}” {hub.url}/{R1_7B}" in shown[f"hf.co/{R1_REPO}"]
    assert "claimed" not in shown[f"hf.co/{OPUS}-GGUF"]


def test_json_says_the_same(cli: Cli, hub: HubSite) -> None:
    body = json.loads(cli("search", "r1", "--evidence", "--json").out)
    assert body["schema_version"] == 1
    (find,) = body["finds"]
    assert (find["ref"], find["student"], find["original"]) == (
        f"hf.co/{R1_REPO}",
        "deepseek-r1-distill-qwen-7b",
        R1_7B,
    )
    assert find["claimed"] == {
        "grade": "claimed",
        "quote": R1_CLAIM,
        "is_cut": False,
        "repo": R1_7B,
        "url": f"{hub.url}/{R1_7B}",
    }
    assert (find["loads"], find["fit"], find["downloads_30_days"]) == (True, None, 58_211)


def test_every_quant_is_planned_from_its_header(cli: Cli, hub: HubSite, tmp_path: Path) -> None:
    small = write_sparse(RECIPES["llama-3.2-1b"], tmp_path)
    big = write_sparse(RECIPES["llama-3.1-8b"], tmp_path, "big")
    hub.publish(R1_REPO, {"m-Q4_K_M.gguf": small, "m-F16.gguf": big})
    ran = cli("search", "--fit", "--vram", "4GiB", "-c", "4k")
    assert ran.code == 0
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["*", "Q4_K_M"] in [line[:2] for line in lines]
    assert f"recommended: hf.co/{R1_REPO}:Q4_K_M" in ran.out
    assert "its fit is not known" in paragraphs(ran.out)[f"hf.co/{OPUS}-GGUF"]
    body = json.loads(cli("search", "r1", "--fit", "--vram", "4GiB", "--json").out)
    assert [quant["file_bytes"] for quant in body["finds"][0]["fit"]["quants"]] == [
        small.stat().st_size,
        big.stat().st_size,
    ]


def test_a_gate_before_a_card_costs_the_other_finds_nothing(cli: Cli, hub: HubSite) -> None:
    hub.pages[f"/{OPUS}/resolve/main/README.md"] = Page(b"", 401, {"x-error-code": "GatedRepo"})
    ran = cli("search", "--evidence")
    assert ran.code == 0
    shown = paragraphs(ran.out)
    assert f"hf.co/{OPUS} is gated (accept its conditions at {hub.url}/{OPUS}" in shown[f"hf.co/{OPUS}-GGUF"]
    assert R1_CLAIM in shown[f"hf.co/{R1_REPO}"]


def test_a_hostile_card_reaches_no_terminal(cli: Cli, hub: HubSite) -> None:
    hub.pages[f"/{OPUS}/resolve/main/README.md"] = Page(b"Distilled\x1b[2J from \x00X [b]z.\xff\n" * 400_000)
    ran = cli("search", "--evidence")
    assert ran.code == 0
    assert "Distilled\ufffd[2J from \ufffdX [b]z." in ran.out
    assert "\x1b" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("page", "code", "words", "hint"),
    [
        (Page(b"", 429, {"retry-after": "300"}), 3, "asked too often", "hint: try again in 300 s"),
        (Page(b"", 401), 4, "does not answer without a token", "hint: set HF_TOKEN"),
        (Page(b"<html>"), 4, "cannot be understood", "hint: look at HF_ENDPOINT"),
    ],
)
def test_failures_have_their_code_and_a_hint(
    cli: Cli, hub: HubSite, page: Page, code: int, words: str, hint: str
) -> None:
    hub.guard = lambda _asked: page
    ran = cli("search", "x")
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert hint in ran.err


def test_nobody_to_ask_and_nothing_to_find(cli: Cli, hub: HubSite, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = cli("search", "no-such-model")
    assert (nothing.code, nothing.out) == (4, "")
    assert "'no-such-model'" in nothing.err
    assert cli("search", "x", "--limit", "0").code == 2
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    offline = cli("search", "never-asked")
    assert offline.code == 3
    assert "HF_HUB_OFFLINE is set\nhint: unset it" in offline.err
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert cli("search", "x").code == 3
    monkeypatch.setenv("HF_TOKEN", "hf_secret\n")
    assert "hf_secret" not in cli("search", "x").err
