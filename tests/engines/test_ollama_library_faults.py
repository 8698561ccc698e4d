"""Servers that fail while their models are changed, and the reasons why one cannot be reached."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from kdmgr.engines.ollama import OllamaEngine, parse_host
from kdmgr.engines.ollama.pushing import push_failed
from kdmgr.engines.ollama.reaching import proxy_for, transport_failure
from kdmgr.errors import EngineFailed, Forbidden, KdmgrError, NotFound, ServerUnreachable
from tests.engines.scripted import Reply, ScriptedServer, json_reply, line
from tests.engines.test_ollama_faults import stream

LAYER = {"digest": "sha256:" + "ab" * 32, "total": 100}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
async def engine(server: ScriptedServer) -> AsyncIterator[OllamaEngine]:
    engine = OllamaEngine(server.host, {}, platform="linux")
    yield engine
    await engine.close()


async def failing_push(engine: OllamaEngine) -> tuple[list[str], KdmgrError]:
    seen: list[str] = []
    with pytest.raises(KdmgrError) as failed:
        async for step in engine.push("me/m"):
            seen.append(step.status)
    return seen, failed.value


async def test_a_server_that_dies_in_a_push_is_said_to(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/push", stream(line(status="pushing abab", completed=3, **LAYER), hangs_up=True))
    seen, error = await failing_push(engine)
    assert seen == ["pushing abab"]
    assert error.reason == "broken"


async def test_a_push_without_success_is_a_failure(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/push", stream(line(status="pushing manifest")))
    seen, error = await failing_push(engine)
    assert seen == ["pushing manifest"]
    assert "before it was done" in error.message
    assert "not sent twice" in (error.hint or "")


async def test_hostile_lines_of_a_push_are_tamed(server: ScriptedServer, engine: OllamaEngine) -> None:
    odd = "one\u0085two\x00three\x1b[2J" + "x" * (8 << 20)
    server.on(
        "POST", "/api/push", stream(line(status=odd, completed=-1, total="many", digest=7), b'{"error":"\xff"}\n')
    )
    seen, error = await failing_push(engine)
    assert len(seen) == 1
    assert seen[0].startswith("one\ufffdtwo\ufffdthree\ufffd[2Jxxx")
    assert len(seen[0]) == 200
    assert "cannot be understood" in error.message


async def test_an_error_line_ends_a_push(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/push", stream(line(status="retrieving manifest"), line(error="unauthorized\x1b[31m")))
    _, error = await failing_push(engine)
    assert isinstance(error, Forbidden)
    assert "\x1b" not in error.message
    assert "kdmgr cp" in (error.hint or "")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("open /home/x/.ollama/models/manifests/a: no such file or directory", NotFound),
        ("pull model manifest: file does not exist", NotFound),
        ("unauthorized: access denied", Forbidden),
        ("max retries exceeded: http status 500", EngineFailed),
        ('Head "https://x": dial tcp: lookup x: no such host', EngineFailed),
        ("http: server gave HTTP response to HTTPS client", EngineFailed),
        ("something else", EngineFailed),
    ],
)
def test_every_failure_of_a_push_has_a_hint(text: str, kind: type[KdmgrError]) -> None:
    error = push_failed(text, "me/m")
    assert type(error) is kind
    assert error.hint
    assert "/home/x" not in error.message


@pytest.mark.parametrize("order", ["copy", "delete", "keep_alive"])
async def test_a_busy_server_is_called_busy(server: ScriptedServer, engine: OllamaEngine, order: str) -> None:
    busy = json_reply(503, error="server busy, please try again.")
    server.on("POST", "/api/copy", busy).on("DELETE", "/api/delete", busy).on("POST", "/api/generate", busy)
    with pytest.raises(EngineFailed, match="busy") as failed:
        await _give(engine, order)
    assert failed.value.reason == "busy"


@pytest.mark.parametrize("order", ["copy", "delete", "keep_alive"])
async def test_a_model_that_somebody_deleted_meanwhile_is_not_found(
    server: ScriptedServer, engine: OllamaEngine, order: str
) -> None:
    gone = json_reply(404, error="model 'm' not found")
    server.on("POST", "/api/copy", gone).on("DELETE", "/api/delete", gone).on("POST", "/api/generate", gone)
    with pytest.raises(NotFound, match="no such model") as failed:
        await _give(engine, order)
    assert "kdmgr list" in (failed.value.hint or "")


@pytest.mark.parametrize("order", ["copy", "delete"])
async def test_an_order_to_a_server_that_dies_is_a_failure(
    server: ScriptedServer, engine: OllamaEngine, order: str
) -> None:
    half = Reply((b"{",), 500, hangs_up=True)
    server.on("POST", "/api/copy", half).on("DELETE", "/api/delete", half)
    with pytest.raises(EngineFailed):
        await _give(engine, order)


async def test_an_order_is_not_waited_for_without_end(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/copy", Reply((5.0,), 500))
    with pytest.raises(ServerUnreachable, match=r"within 0\.2 s") as failed:
        await engine._server.order("POST", "/api/copy", {}, within=0.2)
    assert failed.value.reason == "timeout"


async def _give(engine: OllamaEngine, order: str) -> None:
    match order:
        case "copy":
            await engine.copy("m", "n")
        case "delete":
            await engine.delete("m")
        case _:
            await engine.keep_alive("m", 60)


@pytest.mark.parametrize(
    ("reply", "reason", "word"),
    [
        (Reply((), 403), "forbidden", "host name"),
        (Reply((b"<html>no",), 403, "text/html"), "login", "login"),
        (Reply((b"",), 401, "text/html"), "login", "login"),
        (Reply((b"Client sent an HTTP request to an HTTPS server.\n",), 400, "text/plain"), "tls", "TLS"),
        (Reply((b"<html>welcome",), 200, "text/html"), "not-ollama", "not JSON"),
        (Reply((b"404 page not found",), 404, "text/plain"), "not-ollama", "not an Ollama server"),
        (Reply((), 302), "not-ollama", "redirect"),
        (json_reply(hello="world"), "not-ollama", "no version"),
        (Reply((), 407), "proxy", "HTTP 407"),
        (json_reply(503, error="server busy"), "busy", "busy"),
    ],
)
async def test_the_reason_is_one_word(
    server: ScriptedServer, engine: OllamaEngine, reply: Reply, reason: str, word: str
) -> None:
    server.on("GET", "/api/version", reply)
    status = await engine.status()
    assert (status.usable, status.reason) == (False, reason)
    assert word in f"{status.detail} {status.hint}"
    assert status.hint


async def test_a_name_that_nobody_knows_is_a_matter_of_names() -> None:
    engine = OllamaEngine("nosuchhost.invalid", {})
    status = await engine.status()
    await engine.close()
    assert status.reason == "dns"
    assert "spelled right" in (status.hint or "")


async def test_tls_to_a_plain_port_is_told_to_do_without(server: ScriptedServer) -> None:
    engine = OllamaEngine(f"https://{server.host}", {})
    status = await engine.status()
    await engine.close()
    assert status.reason == "tls"
    assert f"http://{server.host}" in (status.hint or "")


def test_a_certificate_nobody_signed_is_told_how_to_trust() -> None:
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_message = "self-signed certificate"
    error = httpx.ConnectError("x")
    error.__cause__ = cause
    found = transport_failure(parse_host("https://box"), error, "linux")
    assert found.reason == "tls"
    assert "self-signed certificate" in found.message
    assert "SSL_CERT_FILE" in (found.hint or "")


@pytest.mark.parametrize("address", ["192.0.2.1", "https://192.0.2.1"])
def test_a_silent_address_may_be_behind_a_firewall(address: str) -> None:
    found = transport_failure(parse_host(address), httpx.ConnectTimeout("x"), "linux")
    assert found.reason == "timeout"
    assert "firewall" in (found.hint or "")


def test_a_proxy_that_refuses_is_not_taken_for_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@127.0.0.1:9")
    error = httpx.ConnectError("x")
    error.__cause__ = ConnectionRefusedError(111, "refused")
    found = transport_failure(parse_host("box"), error, "linux")
    assert found.reason == "proxy"
    assert "http://127.0.0.1:9 stands between" in found.message
    assert "secret" not in found.message
    assert "NO_PROXY=box" in (found.hint or "")
    monkeypatch.setenv("NO_PROXY", "box")
    assert proxy_for(parse_host("box")) is None
    assert proxy_for(parse_host("127.0.0.1")) is None
    assert transport_failure(parse_host("box"), error, "linux").reason == "refused"


async def test_the_last_reason_is_that_nothing_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    engine = OllamaEngine(host, {})
    status = await engine.status()
    await engine.close()
    assert status.reason == "refused"
    assert "ollama serve" in (status.hint or "")
