"""`kdmgr fit` for models that are not on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.scripted import ScriptedServer, json_reply
from tests.engines.test_shown_header import shown
from tests.support.console import Cli
from tests.support.publisher import HubSite, Page, Registry, Site
from tests.support.sparse import RECIPES, write_sparse


@pytest.fixture
def cdn() -> Iterator[Site]:
    with Site() as site:
        yield site


def test_a_tag_that_is_not_pulled(cli: Cli, cdn: Site, gemma_gguf: Path) -> None:
    with Registry(cdn) as registry:
        registry.publish("library/gemma3:270m", gemma_gguf)
        name = f"{registry.host}/library/gemma3:270m"
        ran = cli("fit", name, "--gpu", "RTX 3060 12GB", "-c", "32k", "--verbose")
        assert ran.code == 0
        for word in ("fits", "235.2 MiB", "111.0 MiB", "from registry"):
            assert word in ran.out
        assert "header of 6.2 MiB, read from the registry" in ran.err
        assert "network: " in ran.err
    offline = cli("fit", name, "--gpu", "RTX 3060 12GB", "--json", "--verbose")
    assert offline.code == 0
    body = json.loads(offline.out)
    assert body["source"] == "registry"
    assert "offline: answered from the copy of" in body["notes"][0]
    assert "known from before" in offline.err


def test_a_repository_in_one_table(cli: Cli, cdn: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sparse(RECIPES["llama-3.2-1b"], tmp_path)
    big = write_sparse(RECIPES["llama-3.1-8b"], tmp_path, "big")
    with HubSite(cdn) as hub:
        hub.publish("user/m-GGUF", {"m-Q4_K_M.gguf": path, "m-F16.gguf": big, "mmproj-F16.gguf": path})
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        ran = cli("fit", "hf.co/user/m-GGUF", "--vram", "4GiB", "-c", "4k")
        assert ran.code == 0
        lines = ran.out.splitlines()
        assert lines[0].split() == ["QUANT", "SIZE", "FIT", "CONTEXT", "MEMORY", "HEADROOM", "LARGEST", "TOK/S"]
        assert lines[1].split()[:2] == ["*", "Q4_K_M"]
        assert lines[2].split()[0] == "F16"
        assert "recommended: hf.co/user/m-GGUF:Q4_K_M, the best quality that fits" in ran.out
        body = json.loads(cli("fit", "hf.co/user/m-GGUF", "--vram", "4GiB", "--json").out)
        assert body["recommended"] == "hf.co/user/m-GGUF:Q4_K_M"
        assert [quant["file_bytes"] for quant in body["quants"]] == [path.stat().st_size, big.stat().st_size]
        both = cli("fit", "hf.co/user/m-GGUF", path, "--vram", "3GiB")
        assert len(both.out.splitlines()) == 4


def test_a_model_of_a_server(cli: Cli) -> None:
    server = ScriptedServer()
    server.on("GET", "/api/tags", json_reply(models=[{"name": "m:latest", "size": 1, "digest": "ab" * 32}]))
    server.on("POST", "/api/show", json_reply(**shown()))
    with server:
        body = json.loads(cli("fit", "m", "--host", server.host, "--vram", "8GiB", "--json").out)
    assert (body["source"], body["parameters"], body["notes"]) == ("server", 6400 + 16384 + 63, [])


@pytest.mark.parametrize(
    ("ref", "code", "words"),
    [
        ("gpt-oss:120b-cloud", 4, "runs on another computer"),
        ("127.0.0.1:9/library/phi3:mini", 3, "cannot reach 127.0.0.1:9"),
        ("hf.co/user/gone", 4, "no such repository"),
        ("hf.co/user/gated", 4, "accept its conditions"),
    ],
)
def test_failures_have_a_line_a_hint_and_a_code(
    cli: Cli, cdn: Site, monkeypatch: pytest.MonkeyPatch, ref: str, code: int, words: str
) -> None:
    with HubSite(cdn) as hub:
        hub.pages["/api/models/user/gated/tree/main?recursive=true"] = Page(b"", 401, {"x-error-code": "GatedRepo"})
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        ran = cli("fit", ref)
    assert ran.code == code
    assert words in ran.err
    assert "hint: " in ran.err
