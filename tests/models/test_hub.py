"""Repositories of the Hub: which file a quant is, headers over redirects, gates, limits and offline answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kdmgr.errors import Forbidden, KdmgrError, NotFound, ServerUnreachable, Unreadable, UsageError
from kdmgr.gguf.shape import read_shape
from kdmgr.gguf.walk import Walk
from kdmgr.models.copies import Copies
from kdmgr.models.headers import HeaderCache, read_file_header
from kdmgr.models.hub import Hub
from kdmgr.models.hub_access import HubAccess, hub_access
from kdmgr.models.hub_files import HubRepo, choose_model, read_repo
from kdmgr.models.web import Waits, Web
from kdmgr.refs import HubRef
from tests.support.publisher import Asked, HubSite, Page, Site
from tests.support.shard_sets import write_shards

REF = HubRef("user", "tiny-GGUF")
TREE = "/api/models/user/tiny-GGUF/tree/main?recursive=true"


@pytest.fixture
def cdn() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def site(cdn: Site) -> Iterator[HubSite]:
    with HubSite(cdn) as site:
        yield site


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web(waits=Waits(connect_s=1, read_s=1, whole_s=5), sleep=lambda _seconds: None)
    yield web
    web.close()


class NewHub:
    """Makes hubs that share their folders, as runs of kdmgr do."""

    def __init__(self, web: Web, url: str, folder: Path) -> None:
        self._web, self._url, self._folder = web, url, folder

    def __call__(self, *, offline: bool = False, token: str | None = None) -> Hub:
        copies = Copies(self._folder / "copies", now=lambda: datetime(2026, 11, 3, tzinfo=UTC))
        return Hub(
            self._web, copies, HeaderCache(self._folder / "headers"), HubAccess(self._url, offline=offline, token=token)
        )


@pytest.fixture
def new_hub(web: Web, site: HubSite, tmp_path: Path) -> NewHub:
    return NewHub(web, site.url, tmp_path)


def repo_of(*paths: str) -> HubRepo:
    return read_repo([{"path": path, "size": 100 + at} for at, path in enumerate(paths)])


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        (HubRef("u", "r"), "m-Q4_K_M.gguf"),
        (HubRef("u", "r", quant="Q8_0"), "m.Q8_0.gguf"),
        (HubRef("u", "r", quant="Q4_K_XL"), "m-UD-Q4_K_XL.gguf"),
        (HubRef("u", "r", quant="UD-Q4_K_XL"), "m-UD-Q4_K_XL.gguf"),
        (HubRef("u", "r", quant="BF16"), "BF16/m-00001-of-00002.gguf"),
        (HubRef("u", "r", file="M.q8_0.GGUF"), "m.Q8_0.gguf"),
        (HubRef("u", "r", file="m-00002-of-00002.gguf"), "BF16/m-00001-of-00002.gguf"),
        (HubRef("u", "r", file="other/m-Q4_K_M.gguf"), "other/m-Q4_K_M.gguf"),
    ],
)
def test_the_file_that_a_reference_means(ref: HubRef, expected: str) -> None:
    repo = repo_of(
        "m-Q4_K_M.gguf",
        "m.Q8_0.gguf",
        "m-UD-Q4_K_XL.gguf",
        "BF16/m-00001-of-00002.gguf",
        "BF16/m-00002-of-00002.gguf",
        "mmproj-m-F16.gguf",
        "imatrix.gguf",
        "other/m-Q4_K_M.gguf",
        "README.md",
    )
    assert choose_model(repo, ref).files[0].path == expected
    assert [file.path for file in repo.projectors] == ["mmproj-m-F16.gguf"]
    assert len(repo.models) == 5


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("a-Q2_K.gguf", "a-Q8_0.gguf"), "a-Q8_0.gguf"),
        (("b.gguf", "a-F16.gguf"), "b.gguf"),
        (("a-IQ4_XS.gguf",), "a-IQ4_XS.gguf"),
    ],
)
def test_without_the_default_quant_the_next_is_taken(paths: tuple[str, ...], expected: str) -> None:
    assert choose_model(repo_of(*paths), HubRef("u", "r")).files[0].path == expected


def test_a_quant_that_is_not_there_comes_with_those_that_are() -> None:
    with pytest.raises(NotFound) as failed:
        choose_model(repo_of("a-Q8_0.gguf", "a-Q4_0.gguf"), HubRef("u", "r", quant="Q5_K_M"))
    assert failed.value.hint == "there are Q8_0, Q4_0"


def test_two_models_of_one_quant_have_to_be_told_apart() -> None:
    repo = repo_of("a-Q8_0.gguf", "b-Q8_0.gguf")
    with pytest.raises(UsageError, match="any of 2 models") as failed:
        choose_model(repo, HubRef("u", "r", quant="Q8_0"))
    assert failed.value.hint == "name the file: hf.co/u/r:a-Q8_0.gguf"
    assert [str(repo.ref_of(REF, model)) for model in repo.models] == [
        "hf.co/user/tiny-GGUF:a-Q8_0.gguf",
        "hf.co/user/tiny-GGUF:b-Q8_0.gguf",
    ]


def test_hostile_listings_are_sifted() -> None:
    entries = [
        None,
        7,
        {},
        {"path": 7, "size": 1},
        {"path": "../../x.gguf", "size": 1},
        {"path": "/x.gguf", "size": 1},
        {"path": "a\x1b[2Jb.gguf", "size": 1},
        {"path": "a\u202eb.gguf", "size": 1},
        {"path": "a.gguf", "size": -1},
        {"path": "a.gguf", "size": True},
        {"path": "a.gguf", "size": 1 << 70},
        {"path": "a.gguf"},
        {"path": "good.gguf", "size": 5, "lfs": 7, "oid": "../x"},
    ]
    (model,) = read_repo(entries).models
    assert [(file.path, file.size, file.digest) for file in model.files] == [("good.gguf", 5, None)]


def test_a_file_is_sized_from_its_header(new_hub: NewHub, site: HubSite, web: Web, smollm_gguf: Path) -> None:
    site.publish("user/tiny-GGUF", {"tiny-Q4_1.gguf": smollm_gguf})
    hub = new_hub()
    model = choose_model(hub.repo(REF), REF)
    assert model.size == smollm_gguf.stat().st_size
    real = read_file_header(smollm_gguf)
    assert hub.header(REF, model) == (real, False)
    assert web.traffic.bytes_read < real.data_offset + (2 << 20)
    before = web.traffic.requests
    assert new_hub().header(REF, model) == (real, True)
    assert web.traffic.requests == before


def test_a_listing_of_several_pages(new_hub: NewHub, site: HubSite, tiny_gguf: Path) -> None:
    site.publish("user/tiny-GGUF", {f"tiny-Q{n}_0.gguf": tiny_gguf for n in (4, 5, 8)}, per_page=2)
    assert [model.quant for model in new_hub().repo(REF).models] == ["Q4_0", "Q5_0", "Q8_0"]
    assert len(site.asked) == 2


def test_a_listing_that_goes_on_elsewhere_is_refused(new_hub: NewHub, site: HubSite, cdn: Site) -> None:
    site.add_json(TREE, [], link=f'<{cdn.url}/steal>; rel="next"')
    with pytest.raises(Unreadable, match="at another host"):
        new_hub(token="hf_x").repo(REF)
    assert not cdn.asked


def test_a_listing_without_end_ends(new_hub: NewHub, site: HubSite) -> None:
    site.add_json(TREE, [], link=f'<{site.url}{TREE}>; rel="next"')
    with pytest.raises(Unreadable, match="without end"):
        new_hub().repo(REF)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[" * 100_000])
def test_a_listing_that_is_none(new_hub: NewHub, site: HubSite, body: bytes) -> None:
    site.pages[TREE] = Page(body)
    with pytest.raises(Unreadable, match="listing is no"):
        new_hub().repo(REF)


def test_shards_are_one_model(new_hub: NewHub, site: HubSite, tmp_path: Path) -> None:
    paths = write_shards(tmp_path / "set")
    site.publish("user/tiny-GGUF", {f"F32/{path.name}": path for path in paths})
    hub = new_hub()
    (model,) = hub.repo(REF).models
    assert (model.quant, model.size) == ("F32", sum(path.stat().st_size for path in paths))
    shape = read_shape(hub.header(REF, model)[0])
    assert (shape.n_layer, shape.parameters) == (3, 64 * 2 + 3 * 64 * 64)


def test_a_set_with_a_hole_is_not_sized(new_hub: NewHub, site: HubSite, tmp_path: Path) -> None:
    paths = write_shards(tmp_path / "set")
    site.publish("user/tiny-GGUF", {path.name: path for path in paths[:2]})
    hub = new_hub()
    with pytest.raises(Unreadable, match="1 of 3 shards"):
        hub.header(REF, hub.repo(REF).models[0])


def test_the_token_is_seen_by_the_hub_only(new_hub: NewHub, site: HubSite, cdn: Site, tiny_gguf: Path) -> None:
    site.publish("user/tiny-GGUF", {"tiny-Q8_0.gguf": tiny_gguf})
    hub = new_hub(token="hf_secret")
    hub.header(REF, hub.repo(REF).models[0])
    assert {asked.headers.get("authorization") for asked in site.asked} == {"Bearer hf_secret"}
    assert cdn.asked
    assert not any("hf_secret" in str(asked) for asked in cdn.asked)


@pytest.mark.parametrize(
    ("status", "headers", "error", "words", "hint"),
    [
        (401, {"x-error-code": "GatedRepo"}, Forbidden, "is gated", "set HF_TOKEN"),
        (403, {"x-error-code": "GatedRepo"}, Forbidden, "is gated", "accept its conditions"),
        (401, {"x-error-code": "RepoNotFound"}, NotFound, "no such repository", "is the name right"),
        (404, {"x-error-code": "EntryNotFound"}, NotFound, "no such file", "/user/tiny-GGUF"),
        (404, {}, NotFound, "no such repository", "is the name right"),
        (401, {}, Forbidden, "does not show", "HF_TOKEN"),
        (429, {"retry-after": "120"}, ServerUnreachable, "too often", "in 120 s"),
        (429, {"retry-after": "\x1b[2J"}, ServerUnreachable, "too often", "later"),
        (503, {}, ServerUnreachable, "trouble", "a few minutes"),
        (418, {}, ServerUnreachable, "418", "later"),
    ],
)
def test_refusals_are_explained(
    new_hub: NewHub, site: HubSite, status: int, headers: dict[str, str], error: type[KdmgrError], words: str, hint: str
) -> None:
    site.pages[TREE] = Page(b"no", status, headers)
    with pytest.raises(error, match=words) as failed:
        new_hub().repo(REF)
    assert hint in (failed.value.hint or "")


def test_a_gate_before_the_file_is_explained(new_hub: NewHub, site: HubSite, tiny_gguf: Path) -> None:
    site.publish("user/tiny-GGUF", {"tiny-Q8_0.gguf": tiny_gguf})

    def guard(asked: Asked) -> Page | None:
        return Page(b"", 401, {"x-error-code": "GatedRepo"}) if "/resolve/" in asked.path else None

    site.guard = guard
    hub = new_hub()
    with pytest.raises(Forbidden, match="gated"):
        hub.header(REF, hub.repo(REF).models[0])


def test_offline_what_is_known_still_answers(new_hub: NewHub, site: HubSite, web: Web, tiny_gguf: Path) -> None:
    site.publish("user/tiny-GGUF", {"tiny-Q8_0.gguf": tiny_gguf})
    hub = new_hub()
    header = hub.header(REF, hub.repo(REF).models[0])[0]
    before = web.traffic.requests
    offline = new_hub(offline=True)
    repo = offline.repo(REF)
    assert repo.note == "offline: answered from the copy of 2026-11-03 (HF_HUB_OFFLINE is set)"
    assert offline.header(REF, repo.models[0]) == (header, True)
    assert web.traffic.requests == before


def test_offline_what_is_not_known_is_said_to_be(new_hub: NewHub, site: HubSite, web: Web, tiny_gguf: Path) -> None:
    with pytest.raises(ServerUnreachable, match="HF_HUB_OFFLINE"):
        new_hub(offline=True).repo(REF)
    site.publish("user/tiny-GGUF", {"tiny-Q8_0.gguf": tiny_gguf})
    new_hub().repo(REF)
    offline = new_hub(offline=True)
    with pytest.raises(ServerUnreachable, match="HF_HUB_OFFLINE"):
        offline.header(REF, offline.repo(REF).models[0])


def test_access_follows_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_file\n")
    home = {"HF_HOME": str(tmp_path)}
    assert hub_access({**home}) == HubAccess("https://huggingface.co", token="hf_file")
    assert hub_access({**home, "HF_TOKEN": "hf_env"}).token == "hf_env"
    assert hub_access({**home, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}).token is None
    assert hub_access({"HF_HOME": str(tmp_path / "none")}).token is None
    assert hub_access({**home, "HF_ENDPOINT": "https://mirror.example/"}).endpoint == "https://mirror.example"
    assert hub_access({**home, "HF_ENDPOINT": "http://mirror.example"}).token is None
    assert hub_access({**home, "HF_ENDPOINT": "http://127.0.0.1:8000"}).token == "hf_file"
    assert hub_access({**home, "HF_HUB_OFFLINE": "true"}).offline
    assert not hub_access({**home, "HF_HUB_OFFLINE": "0"}).offline
    assert "hf_file" not in repr(hub_access(home))


@pytest.mark.parametrize("env", [{"HF_ENDPOINT": "mirror"}, {"HF_ENDPOINT": "file:///x"}, {"HF_TOKEN": "a\r\nb: c"}])
def test_an_environment_that_cannot_be_used_is_refused(env: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        hub_access({"HF_HOME": str(tmp_path), **env})


def test_a_vocabulary_is_read_once_for_all_quants(
    new_hub: NewHub, site: HubSite, web: Web, smollm_gguf: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.gguf"
    content = smollm_gguf.read_bytes()
    # Another name of the same length: a sibling in all but one value.
    other.write_bytes(content.replace(b"Smollm2 135M 8k", b"Smollm2 135M 9k", 1))
    site.publish("user/tiny-GGUF", {"tiny-Q4_1.gguf": smollm_gguf, "tiny-Q8_0.gguf": other})
    hub, walk = new_hub(), Walk()
    first, second = hub.repo(REF).models
    hub.header(REF, first, walk)
    before = web.traffic.bytes_read
    assert hub.header(REF, second, walk) == (read_file_header(other), False)
    assert web.traffic.bytes_read - before < 500_000


def test_a_quant_with_another_vocabulary_is_walked_anew(
    new_hub: NewHub, site: HubSite, smollm_gguf: Path, gemma_gguf: Path
) -> None:
    site.publish("user/tiny-GGUF", {"a-Q4_1.gguf": smollm_gguf, "b-Q4_K_M.gguf": gemma_gguf})
    hub, walk = new_hub(), Walk()
    models = hub.repo(REF).models
    expected = [read_file_header(smollm_gguf), read_file_header(gemma_gguf)]
    assert [hub.header(REF, model, walk)[0] for model in models] == expected
