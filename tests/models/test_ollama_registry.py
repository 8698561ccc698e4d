"""Tags that are not pulled: manifests, tokens, headers, and registries that misbehave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kdmgr.errors import Forbidden, KdmgrError, NotFound, ServerUnreachable, Unreadable
from kdmgr.models.copies import Copies
from kdmgr.models.headers import HeaderCache, read_file_header
from kdmgr.models.ollama_registry import OllamaRegistry
from kdmgr.models.web import Waits, Web
from kdmgr.refs import OllamaRef, parse_ollama_name
from tests.support.publisher import Asked, Page, Registry, Site
from tests.support.sparse import RECIPES, write_sparse

MANIFEST = "/v2/library/phi3/manifests/mini"


@pytest.fixture
def cdn() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def site(cdn: Site) -> Iterator[Registry]:
    with Registry(cdn) as site:
        yield site


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web(waits=Waits(connect_s=1, read_s=1, whole_s=5), sleep=lambda _seconds: None)
    yield web
    web.close()


@pytest.fixture
def registry(web: Web, tmp_path: Path) -> OllamaRegistry:
    copies = Copies(tmp_path / "copies", now=lambda: datetime(2026, 11, 3, tzinfo=UTC))
    return OllamaRegistry(web, copies, HeaderCache(tmp_path / "headers"))


@pytest.fixture
def phi3(site: Registry, tmp_path: Path) -> Path:
    path = write_sparse(RECIPES["phi-3-mini-4k"], tmp_path)
    site.publish("library/phi3:mini", path, extra=(("template", 300), ("projector", 700), ("params", 20)))
    return path


def ref(site: Site, name: str = "library/phi3:mini") -> OllamaRef:
    return parse_ollama_name(f"{site.host}/{name}")


def test_a_tag_is_sized_from_its_header(registry: OllamaRegistry, site: Registry, phi3: Path, web: Web) -> None:
    remote = registry.manifest(ref(site))
    assert (remote.weights.size, remote.size_of("projector"), remote.size_of("adapter")) == (
        phi3.stat().st_size,
        700,
        0,
    )
    header, known = registry.header(remote, remote.weights)
    assert (header, known) == (read_file_header(phi3), False)
    # The manifest, the redirect, and one piece of the file.
    assert web.traffic.requests == 3
    assert registry.header(registry.manifest(ref(site)), remote.weights) == (header, True)
    assert web.traffic.requests == 4
    assert site.asked[0].headers["accept"] == "application/vnd.docker.distribution.manifest.v2+json"


def test_what_one_registry_says_of_a_digest_is_not_believed_of_another(
    registry: OllamaRegistry, site: Registry, phi3: Path, tmp_path: Path, cdn: Site
) -> None:
    remote = registry.manifest(ref(site))
    registry.header(remote, remote.weights)
    with Registry(cdn) as other:
        other.publish("library/phi3:mini", phi3)
        again = registry.manifest(ref(other))
        assert again.weights.digest == remote.weights.digest
        assert registry.header(again, again.weights)[1] is False


def test_a_header_that_was_read_from_a_local_blob_is_known(
    registry: OllamaRegistry, site: Registry, phi3: Path, tmp_path: Path, web: Web
) -> None:
    remote = registry.manifest(ref(site))
    header = HeaderCache(tmp_path / "headers").read(phi3, remote.weights.digest)
    assert registry.header(remote, remote.weights) == (header, True)
    assert web.traffic.requests == 1


def test_offline_the_copy_answers_and_says_so(registry: OllamaRegistry, site: Registry, phi3: Path) -> None:
    before = registry.manifest(ref(site))
    header = registry.header(before, before.weights)[0]
    site.pages[MANIFEST] = Page(b"busy", 503)
    remote = registry.manifest(ref(site))
    assert remote.note is not None
    assert remote.note.startswith("offline: answered from the copy of 2026-11-03")
    assert remote.digest == before.digest
    assert registry.header(remote, remote.weights) == (header, True)


def test_nobody_there_and_no_copy(registry: OllamaRegistry) -> None:
    with pytest.raises(ServerUnreachable, match="cannot reach"):
        registry.manifest(OllamaRef("phi3", host="127.0.0.1:9"))


def test_a_page_in_place_of_a_manifest_does_not_replace_the_copy(
    registry: OllamaRegistry, site: Registry, phi3: Path
) -> None:
    registry.manifest(ref(site))
    site.pages[MANIFEST] = Page(b"<html>Sign in to this network</html>")
    with pytest.raises(Unreadable, match="no manifest"):
        registry.manifest(ref(site))
    site.pages[MANIFEST] = Page(b"", 502)
    assert registry.manifest(ref(site)).note


def test_a_tag_that_does_not_exist_comes_with_those_that_do(registry: OllamaRegistry, site: Registry) -> None:
    site.add_json("/v2/library/phi3/tags/list", {"name": "library/phi3", "tags": ["mini", "medium", "x\x1b[2J"]})
    with pytest.raises(NotFound, match="the registry has no") as failed:
        registry.manifest(ref(site, "library/phi3:mimi"))
    assert "phi3:mini" in (failed.value.hint or "")
    assert "\x1b" not in (failed.value.hint or "")


def test_a_token_for_everybody_is_asked_for(registry: OllamaRegistry, site: Registry, phi3: Path) -> None:
    site.add_json("/token?service=reg&scope=repository%3Apull", {"token": "abc"})
    challenge = f'Bearer realm="{site.url}/token",service="reg",scope="repository:pull"'

    def guard(asked: Asked) -> Page | None:
        if asked.path.startswith("/v2") and asked.headers.get("authorization") != "Bearer abc":
            return Page(b"", 401, {"www-authenticate": challenge})
        return None

    site.guard = guard
    remote = registry.manifest(ref(site))
    assert registry.header(remote, remote.weights)[0] == read_file_header(phi3)
    assert not any("authorization" in asked.headers for asked in site.cdn.asked)


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        "Basic realm=x",
        'Bearer realm="http://127.0.0.1:9/token"',
        'Bearer realm="{url}/none"',
        'Bearer realm="{url}/bad"',
    ],
)
def test_a_registry_that_asks_for_a_key_is_said_to(
    registry: OllamaRegistry, site: Registry, phi3: Path, challenge: str
) -> None:
    site.add_json("/bad", {"token": "a\r\nx: y"})
    header = {"www-authenticate": challenge.replace("{url}", site.url)}
    site.guard = lambda asked: Page(b"", 401, header) if asked.path.startswith("/v2") else None
    with pytest.raises(Forbidden, match="does not give") as failed:
        registry.manifest(ref(site))
    assert "ollama pull" in (failed.value.hint or "")


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (403, Forbidden, "does not give"),
        (429, ServerUnreachable, "too often"),
        (500, ServerUnreachable, "500 Internal"),
    ],
)
def test_refusals_are_explained(
    registry: OllamaRegistry, site: Registry, status: int, error: type[KdmgrError], words: str
) -> None:
    site.pages[MANIFEST] = Page(b"no", status, {"retry-after": "30"})
    with pytest.raises(error, match=words) as failed:
        registry.manifest(ref(site))
    assert ("in 30 s" in (failed.value.hint or "")) is (status == 429)


def test_a_manifest_without_end_is_refused(registry: OllamaRegistry, site: Registry, web: Web) -> None:
    site.pages[MANIFEST] = Page(b" " * (1 << 16), endless=True)
    with pytest.raises(Unreadable, match="more than"):
        registry.manifest(ref(site))
    assert web.traffic.bytes_read < 5 << 20


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"null", b'{"layers":7}', b'{"layers":[{}]}', b"\xff\xfe"])
def test_what_is_no_manifest_is_refused(registry: OllamaRegistry, site: Registry, body: bytes) -> None:
    site.pages[MANIFEST] = Page(body)
    with pytest.raises(Unreadable, match="no manifest"):
        registry.manifest(ref(site))


def layers(*kinds: str) -> bytes:
    def layer(kind: str, at: int) -> dict[str, object]:
        media_type = f"application/vnd.ollama.image.{kind}"
        return {"mediaType": media_type, "digest": f"sha256:{at:064x}", "size": 100}

    return json.dumps(
        {"config": layer("config", 0), "layers": [layer(kind, at) for at, kind in enumerate(kinds, 1)]}
    ).encode()


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (("model", "model"), "split into 2 model layers"),
        (("tensor",) * 300, "safetensors"),
        (("template",), "runs on another computer"),
        (("model\x1b[2J",), "runs on another computer"),
    ],
)
def test_tags_without_one_gguf_are_not_sized(
    registry: OllamaRegistry, site: Registry, kinds: tuple[str, ...], words: str
) -> None:
    site.pages[MANIFEST] = Page(layers(*kinds))
    with pytest.raises(Unreadable, match=words) as failed:
        assert registry.manifest(ref(site)).weights
    assert failed.value.exit_code == 4


@pytest.mark.parametrize("tag", ["cloud", "120b-cloud"])
def test_cloud_tags_are_not_asked_for(registry: OllamaRegistry, web: Web, tag: str) -> None:
    with pytest.raises(Unreadable, match="runs on another computer"):
        registry.manifest(OllamaRef("gpt-oss", tag))
    assert web.traffic.requests == 0


@pytest.mark.parametrize("damage", [b"", b"{", b'{"url": 1}', b'{"fetched_at": "x"}', b"[" * 100_000, b"\xff"])
def test_a_damaged_copy_is_no_copy(
    registry: OllamaRegistry, site: Registry, phi3: Path, tmp_path: Path, damage: bytes
) -> None:
    registry.manifest(ref(site))
    (copy,) = (tmp_path / "copies").iterdir()
    copy.write_bytes(damage)
    site.pages[MANIFEST] = Page(b"", 500)
    with pytest.raises(ServerUnreachable):
        registry.manifest(ref(site))


def test_copies_that_cannot_be_kept_only_cost_the_offline_answer(
    web: Web, site: Registry, phi3: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    registry = OllamaRegistry(web, Copies(tmp_path / "file"), HeaderCache(tmp_path / "file"))
    remote = registry.manifest(ref(site))
    assert registry.header(remote, remote.weights)[0] == read_file_header(phi3)
