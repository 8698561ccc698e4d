"""What the search screen asks, of a Hub on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kdmgr.config import Settings
from kdmgr.errors import NotFound
from kdmgr.fit.options import RunOptions
from kdmgr.paths import Paths
from kdmgr.refs import HubRef
from kdmgr.services.app import Services
from tests.support.hub_entries import GGUF_CARD, ORIGINAL_R1, QUANTIZED_R1, R1_CARD, R1_CLAIM, hub_entry
from tests.support.publisher import HubSite, Site
from tests.support.sparse import RECIPES, write_sparse

REF = HubRef("bartowski", "DeepSeek-R1-Distill-Qwen-7B-GGUF")


@pytest.fixture
def hub() -> Iterator[HubSite]:
    with Site() as cdn, HubSite(cdn) as hub:
        hub.list_repo(QUANTIZED_R1, GGUF_CARD)
        hub.list_repo(ORIGINAL_R1, R1_CARD)
        hub.list_repo(hub_entry("c/Mistral-7B-GGUF", architecture="llama", downloads=5))
        yield hub


@pytest.fixture
def services(hub: HubSite, tmp_path: Path) -> Iterator[Services]:
    paths = Paths(tmp_path / "data", tmp_path / "config", tmp_path / "cache", tmp_path / "ollama")
    env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "OLLAMA_HOST": "127.0.0.1:9"}
    services = Services(paths, Settings(), env)
    services.plan_for((), "8GiB")
    yield services
    services.close()


def test_what_suggests_nothing_comes_too_for_the_screen_to_leave_out(services: Services) -> None:
    result = services.hub_desk.search("GGUF", "downloads", lambda sentence: None)
    assert [(find.entry.repo, find.suggests) for find in result.finds] == [
        (f"{REF.user}/{REF.repo}", True),
        ("c/Mistral-7B-GGUF", False),
    ]


def test_quants_have_names_that_pull_them_and_their_plans_the_same(
    services: Services, hub: HubSite, tmp_path: Path
) -> None:
    small = write_sparse(RECIPES["llama-3.2-1b"], tmp_path)
    big = write_sparse(RECIPES["llama-3.1-8b"], tmp_path, "big")
    hub.publish(f"{REF.user}/{REF.repo}", {"m-Q4_K_M.gguf": small, "m-F16.gguf": big})
    quants = services.hub_desk.quants(REF)
    assert [(str(quant.ref), quant.label, quant.size) for quant in quants] == [
        (f"{REF}:Q4_K_M", "Q4_K_M", small.stat().st_size),
        (f"{REF}:F16", "F16", big.stat().st_size),
    ]
    ladder = services.hub_desk.fit(REF, RunOptions(n_ctx=4096))
    assert [str(rung.found.ref) for rung in ladder.rungs if rung.found] == [str(quant.ref) for quant in quants]


def test_a_card_is_read_for_one_find_alone(services: Services, hub: HubSite) -> None:
    (find,) = services.hub_desk.search("r1", "downloads", lambda sentence: None).finds
    assert not any("README" in asked.path for asked in hub.asked)
    evidence = services.hub_desk.with_evidence(find).evidence
    assert evidence is not None
    assert evidence.claim.quote == R1_CLAIM
    assert services.hub_desk.link(REF) == f"{hub.url}/{REF.user}/{REF.repo}"


def test_a_repository_that_is_gone_is_told(services: Services) -> None:
    with pytest.raises(NotFound, match="no such repository"):
        services.hub_desk.quants(HubRef("no", "body"))
