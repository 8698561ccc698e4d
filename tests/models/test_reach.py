"""Redirects never lead further into a network than where they came from."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from kdmgr.errors import Unreadable
from kdmgr.models.reach import LINK, LOOPBACK, PRIVATE, WORLD, answering_reach, named_reach
from kdmgr.models.web import Waits, Web
from tests.support.publisher import Page, Site


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        ("127.0.0.1", LOOPBACK),
        ("localhost", LOOPBACK),
        ("x.localhost.", LOOPBACK),
        ("::1", LOOPBACK),
        ("[::ffff:127.0.0.1]", LOOPBACK),
        ("0.0.0.0", LOOPBACK),
        ("169.254.169.254", LINK),
        ("fe80::1%eth0", LINK),
        ("10.1.2.3", PRIVATE),
        ("192.168.0.1", PRIVATE),
        ("100.64.0.1", PRIVATE),
        ("fd00::1", PRIVATE),
        ("2002:7f00:1::", LOOPBACK),
        ("8.8.8.8", WORLD),
        ("2606:4700::1", WORLD),
        ("registry.ollama.ai", None),
    ],
)
def test_where_a_host_stands(host: str, reach: int | None) -> None:
    assert named_reach(host) == reach


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    web = Web(waits=Waits(connect_s=1, read_s=1), sleep=lambda _seconds: None)
    yield web
    web.close()


def answer_from(address: str) -> httpx.MockTransport:
    """Every name answers from `address`, with a redirect to what its path says."""

    class Stream:
        def get_extra_info(self, name: str) -> tuple[str, int] | None:
            return (address, 443) if name == "server_addr" else None

    def answer(request: httpx.Request) -> httpx.Response:
        target = request.url.params.get("to")
        extensions = {"network_stream": Stream()}
        if target:
            return httpx.Response(307, headers={"location": target}, extensions=extensions)
        return httpx.Response(200, content=b"reached", extensions=extensions)

    return httpx.MockTransport(answer)


def put_in(web: Web, transport: httpx.MockTransport) -> None:
    web._clients[(False, True)] = httpx.Client(transport=transport)


@pytest.mark.parametrize(
    "target",
    ["https://127.0.0.1/x", "https://localhost/x", "https://10.0.0.7/x", "https://169.254.169.254/latest/meta-data"],
)
def test_the_world_cannot_redirect_into_a_private_network(web: Web, target: str) -> None:
    put_in(web, answer_from("93.184.216.34"))
    with pytest.raises(Unreadable, match="private network"), web.open(f"https://registry.example/?to={target}"):
        pass
    assert web.traffic.requests == 1


def test_the_world_can_redirect_to_the_world(web: Web) -> None:
    put_in(web, answer_from("93.184.216.34"))
    assert web.get("https://registry.example/?to=https://cdn.example/x", limit=100).body == b"reached"


def test_a_name_that_turns_out_to_be_in_a_private_network_is_not_read(web: Web) -> None:
    """Both names answer from inside, but where the redirect came from was known by an address of the world."""
    put_in(web, answer_from("10.0.0.7"))
    with pytest.raises(Unreadable, match="private network"), web.open("https://8.8.8.8/?to=https://inside.example/x"):
        pass


def test_a_private_registry_can_redirect_inside_its_network_but_not_to_this_machine(web: Web) -> None:
    put_in(web, answer_from("10.0.0.7"))
    assert web.get("https://registry.corp/?to=https://10.0.0.8/x", limit=100).body == b"reached"
    with pytest.raises(Unreadable, match="private network"):
        web.get("https://registry.corp/?to=https://127.0.0.1/x", limit=100)


def test_behind_a_proxy_the_address_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    response = httpx.Client(transport=answer_from("10.0.0.7")).get("https://registry.example/")
    assert answering_reach(response) == PRIVATE
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    assert answering_reach(response) == WORLD


def test_a_registry_on_this_machine_can_redirect_to_this_machine(web: Web) -> None:
    with Site() as site:
        site.redirect("/from", f"{site.url.replace('127.0.0.1', 'localhost')}/to")
        site.pages["/to"] = Page(b"reached")
        assert web.get(f"{site.url}/from", limit=100).body == b"reached"
