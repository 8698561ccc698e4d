"""Searching the Hub through `huggingface_hub`: what is asked, what is understood, and every way it can go wrong."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from kdmgr.errors import Forbidden, KdmgrError, NotFound, ServerUnreachable, Unreadable
from kdmgr.models.copies import Copies
from kdmgr.models.hub_access import HubAccess
from kdmgr.models.hub_index import BaseLink, HubIndex
from kdmgr.models.hub_reader import MAX_CARD, HubReader
from kdmgr.models.web import Waits, Web
from tests.support.hub_entries import GGUF_CARD, ORIGINAL_R1, QUANTIZED_R1, R1_7B, hub_entry
from tests.support.publisher import Asked, HubSite, Page, Site, json_page

TOKEN = "hf_notarealsecret"


@pytest.fixture
def site() -> Iterator[HubSite]:
    with Site() as cdn, HubSite(cdn) as hub:
        hub.list_repo(QUANTIZED_R1, GGUF_CARD)
        hub.list_repo(ORIGINAL_R1)
        yield hub


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def web(slept: list[float]) -> Iterator[Web]:
    web = Web(waits=Waits(connect_s=1, read_s=0.5, whole_s=5), sleep=slept.append)
    yield web
    web.close()


class NewIndex:
    """Makes indexes that share their folder, as runs of kdmgr do, and keeps what they tell."""

    def __init__(self, web: Web, url: str, folder: Path) -> None:
        self._web, self._url, self._folder = web, url, folder
        self.told: list[str] = []

    def __call__(self, *, offline: bool = False, token: str | None = None) -> HubIndex:
        copies = Copies(self._folder / "copies", now=lambda: datetime(2026, 11, 3, tzinfo=UTC))
        access = HubAccess(self._url, offline=offline, token=token)
        return HubIndex(HubReader(self._web, copies, access, self.told.append))


@pytest.fixture
def new_index(web: Web, site: HubSite, tmp_path: Path) -> NewIndex:
    return NewIndex(web, site.url, tmp_path)


def search(index: HubIndex, words: str = "distill") -> list[str]:
    return [entry.repo for entry in index.search(words, sort="downloads", limit=50)]


def test_a_real_answer_is_understood(new_index: NewIndex, site: HubSite) -> None:
    (entry,) = new_index().search("r1 distill", sort="updated", limit=7)
    assert (entry.repo, entry.downloads, entry.likes) == ("bartowski/DeepSeek-R1-Distill-Qwen-7B-GGUF", 58_211, 211)
    assert (entry.architecture, entry.parameters, entry.n_ctx_train) == ("qwen2", 7_615_616_512, 131072)
    assert (entry.updated, entry.is_gated, entry.licence) == ("2026-01-22", False, "mit")
    assert entry.bases == (BaseLink(R1_7B, "quantized"),)
    assert entry.quantized_from == R1_7B
    query = parse_qs(urlsplit(site.asked[0].path).query)
    assert (query["search"], query["filter"], query["sort"]) == (["r1 distill"], ["gguf"], ["lastModified"])
    assert query["limit"] == ["7"]
    assert {"tags", "gguf", "gated", "downloads", "likes"} <= set(query["expand"])
    assert len(site.asked) == 1, "nobody is told more than the question"


def test_the_most_downloaded_come_first_and_only_ggufs(new_index: NewIndex, site: HubSite) -> None:
    site.list_repo(hub_entry("a/Loved-Distill-GGUF", downloads=5, likes=999))
    assert search(new_index()) == ["bartowski/DeepSeek-R1-Distill-Qwen-7B-GGUF", "a/Loved-Distill-GGUF"]
    assert new_index().search("distill", sort="likes", limit=1)[0].repo == "a/Loved-Distill-GGUF"


def test_one_repository_without_ggufs(new_index: NewIndex) -> None:
    entry = new_index().find(R1_7B)
    assert (entry.repo, entry.architecture, entry.parameters, entry.quantized_from) == (R1_7B, None, None, None)
    with pytest.raises(NotFound, match="no such repository"):
        new_index().find("no/body")


def test_bases_are_read_from_tags(new_index: NewIndex, site: HubSite) -> None:
    tags = (
        "base_model:a/b",
        "base_model:merge:a/b",
        "base_model:merge:c/d",
        "base_model:../x",
        "base_model:e/f\x1b[2J",
    )
    site.list_repo(hub_entry("m/merge-GGUF", *tags))
    entry = new_index().find("m/merge-GGUF")
    assert entry.bases == (BaseLink("a/b", "merge"), BaseLink("c/d", "merge"))
    assert entry.quantized_from is None


def test_hostile_entries_are_sifted(new_index: NewIndex, site: HubSite) -> None:
    hostile = {
        **hub_entry("good/one-GGUF"),
        "downloads": -5,
        "likes": True,
        "gguf": {"total": "many", "architecture": "x" * 5000, "context_length": 1 << 90},
        "tags": ["ok", 7, "t" * 5000, "a\x1b[31mb"],
    }
    site.guard = lambda _asked: json_page([{"id": "../../etc"}, {"id": 7}, hostile])
    (entry,) = new_index().search("x", sort="downloads", limit=9)
    assert entry.repo == "good/one-GGUF"
    assert (entry.downloads, entry.likes, entry.parameters, entry.architecture) == (None, None, None, None)
    assert entry.n_ctx_train is None
    assert entry.tags == ("ok", "a\ufffd[31mb")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}x", b'{"error":"x"}', b"[7]", b'["a"]', b"[{}]", b"[" * 100_000, b'[{"id":"a/b","gguf"'],
)
def test_an_answer_that_is_none(new_index: NewIndex, site: HubSite, body: bytes) -> None:
    site.guard = lambda _asked: Page(body)
    with pytest.raises(Unreadable, match="cannot be understood"):
        search(new_index())


def test_an_endless_answer_ends(new_index: NewIndex, site: HubSite) -> None:
    site.guard = lambda _asked: Page(b" " * 65536, endless=True)
    with pytest.raises(Unreadable, match="more than 16 MiB"):
        search(new_index())


@pytest.mark.parametrize(
    ("status", "token", "error", "words", "hint"),
    [
        (401, TOKEN, Forbidden, "refuses the token", "HF_TOKEN"),
        (403, TOKEN, Forbidden, "refuses the token", "hf auth login"),
        (401, None, Forbidden, "without a token", "set HF_TOKEN"),
        (404, None, NotFound, "does not search", "HF_ENDPOINT"),
        (418, None, ServerUnreachable, "418", "later"),
    ],
)
def test_refusals_are_explained(
    new_index: NewIndex,
    site: HubSite,
    status: int,
    token: str | None,
    error: type[KdmgrError],
    words: str,
    hint: str,
) -> None:
    site.guard = lambda _asked: Page(b'{"error":"Invalid username or password."}', status)
    with pytest.raises(error, match=words) as failed:
        search(new_index(token=token))
    assert hint in (failed.value.hint or "")
    assert len(site.asked) == 1


def test_a_gated_repository(new_index: NewIndex, site: HubSite) -> None:
    site.pages["/gated/one/resolve/main/README.md"] = Page(b"", 401, {"x-error-code": "GatedRepo"})
    with pytest.raises(Forbidden, match="is gated") as failed:
        new_index().reader.card("gated/one")
    assert failed.value.hint == f"accept its conditions at {site.url}/gated/one, then set HF_TOKEN"


@pytest.mark.parametrize("headers", [{"retry-after": "7"}, {"ratelimit": '"api";r=0;t=7'}])
def test_a_short_wait_is_waited_and_told(
    new_index: NewIndex, site: HubSite, slept: list[float], headers: dict[str, str]
) -> None:
    site.guard = lambda _asked: Page(b"", 429, headers) if len(site.asked) == 1 else None
    assert search(new_index())
    assert slept == [7.0]
    assert new_index.told == ["the Hub is asked too often (429); waiting 7 s"]


def test_patience_ends(new_index: NewIndex, site: HubSite, slept: list[float]) -> None:
    site.guard = lambda _asked: Page(b"", 429, {"retry-after": "9"})
    with pytest.raises(ServerUnreachable, match="too often") as failed:
        search(new_index())
    assert failed.value.hint == "try again in 9 s"
    assert (slept, len(site.asked)) == ([9.0, 9.0], 3)


def test_a_long_wait_is_not_waited(new_index: NewIndex, site: HubSite, slept: list[float]) -> None:
    site.guard = lambda _asked: Page(b"", 429, {"retry-after": "900"})
    with pytest.raises(ServerUnreachable) as failed:
        search(new_index())
    assert failed.value.hint == "try again in 900 s"
    assert (slept, len(site.asked)) == ([], 1)


def test_a_server_in_trouble_is_asked_a_few_times(new_index: NewIndex, site: HubSite, slept: list[float]) -> None:
    site.guard = lambda _asked: Page(b"", 503)
    with pytest.raises(ServerUnreachable, match="503"):
        search(new_index())
    assert (slept, len(site.asked)) == ([2.0, 4.0], 3)


def test_a_silent_server_is_given_up(new_index: NewIndex, site: HubSite) -> None:
    site.pause_s = 0.8
    with pytest.raises(ServerUnreachable, match="did not answer in time"):
        search(new_index())


def test_nobody_there(web: Web, tmp_path: Path) -> None:
    with pytest.raises(ServerUnreachable, match="connection refused"):
        search(NewIndex(web, "http://127.0.0.1:9", tmp_path)())


def test_offline_the_last_answer_stands_and_says_so(new_index: NewIndex, site: HubSite) -> None:
    before = search(new_index())
    asked = len(site.asked)
    index = new_index(offline=True)
    assert search(index) == before
    assert index.reader.notes == ["offline: answered from the copy of 2026-11-03 (HF_HUB_OFFLINE is set)"]
    with pytest.raises(ServerUnreachable, match="HF_HUB_OFFLINE is set"):
        search(new_index(offline=True), "never asked before")
    assert len(site.asked) == asked


def test_the_token_goes_to_the_hub_only(
    new_index: NewIndex, site: HubSite, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    index = new_index(token=TOKEN)
    search(index)
    assert site.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    with Site() as elsewhere:

        def send_away(_asked: Asked) -> Page:
            return Page(status=302, headers={"location": f"{elsewhere.url}/steal"})

        site.guard = send_away
        elsewhere.add_json("/steal", [])
        search(index, "other")
        assert elsewhere.asked
        assert TOKEN not in json.dumps([asked.headers for asked in elsewhere.asked])
    site.guard = lambda _asked: Page(b"", 401)
    with pytest.raises(Forbidden) as failed:
        search(index, "third")
    assert TOKEN not in f"{failed.value.message}{failed.value.hint}{caplog.text}"


def test_a_listing_that_goes_on_elsewhere_is_not_followed(new_index: NewIndex, site: HubSite) -> None:
    with Site() as elsewhere:
        page = json_page([hub_entry("a/one-GGUF")])
        page.headers["link"] = f'<{elsewhere.url}/api/models?cursor=x>; rel="next"'
        site.guard = lambda _asked: page
        assert search(new_index(token=TOKEN), "x") == ["a/one-GGUF"]
        assert not elsewhere.asked


def test_of_a_huge_card_only_the_beginning_is_read(new_index: NewIndex, site: HubSite, web: Web) -> None:
    site.pages["/big/card/resolve/main/README.md"] = Page(b"\x00\xff\x1b[2J" * (2 << 20))
    card = new_index().reader.card("big/card")
    assert len(card) <= MAX_CARD + 1
    assert web.traffic.bytes_read < 2 * MAX_CARD + (1 << 20)
    assert new_index(offline=True).reader.card("big/card") == card
