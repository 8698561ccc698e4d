"""Pulls through a server: what it tells, and what its errors in the middle of it mean."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from kdmgr.engines.ollama import OllamaEngine
from kdmgr.engines.ollama.progress import ServerProgress
from kdmgr.engines.ollama.pulling import Damaged, PullBroke
from kdmgr.engines.ollama.reaching import ConnectionBroke
from kdmgr.errors import EngineFailed, Forbidden, KdmgrError, NotFound, ServerUnreachable, StorageFailed, Unreadable
from tests.engines.scripted import Reply, ScriptedServer, json_reply, line

NAME = "phi3:mini"
DIGEST = f"sha256:{'ab' * 32}"
BEGINNING = line(status="pulling manifest")


def stream(*pieces: bytes | float, hangs_up: bool = False) -> Reply:
    return Reply(pieces, content_type="application/x-ndjson", hangs_up=hangs_up)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
async def engine(server: ScriptedServer) -> AsyncIterator[OllamaEngine]:
    engine = OllamaEngine(server.host, {}, platform="linux")
    yield engine
    await engine.close()


async def pull(engine: OllamaEngine, name: str = NAME) -> list[ServerProgress]:
    return [progress async for progress in engine.pull(name)]


async def failing_pull(engine: OllamaEngine, name: str = NAME) -> KdmgrError:
    with pytest.raises(KdmgrError) as failed:
        await pull(engine, name)
    assert failed.value.hint
    assert "\n" not in failed.value.message
    return failed.value


async def test_every_line_is_told(server: ScriptedServer, engine: OllamaEngine) -> None:
    layer = {"status": "pulling abababababab", "digest": DIGEST, "total": 100}
    server.on(
        "POST",
        "/api/pull",
        stream(
            BEGINNING,
            line(**layer),
            line(**layer, completed=60),
            line(status="verifying sha256 digest"),
            line(status="writing manifest"),
            line(status="success"),
        ),
    )
    assert await pull(engine) == [
        ServerProgress("pulling manifest"),
        ServerProgress("pulling abababababab", DIGEST, 0, 100),
        ServerProgress("pulling abababababab", DIGEST, 60, 100),
        ServerProgress("verifying sha256 digest"),
        ServerProgress("writing manifest"),
        ServerProgress("success"),
    ]
    assert server.asked[0].body == {"model": NAME, "insecure": False}


@pytest.mark.parametrize(
    ("text", "kind", "words", "hint"),
    [
        ("pull model manifest: file does not exist", NotFound, "has no phi3:mini", "tag"),
        (
            'pull model manifest: 400: {"error":"The specified tag is not a valid quantization scheme."}',
            NotFound,
            "no such quant",
            "kdmgr fit phi3",
        ),
        ('pull model manifest: 400: {"error":"x is a sharded GGUF"}', Unreadable, "several files", "join"),
        (
            'pull model manifest: 412: {"errors":[{"message":"this model requires a newer version of Ollama"}]}',
            EngineFailed,
            "newer Ollama",
            "update",
        ),
        ("pull model manifest: 401: unauthorized", Forbidden, "does not give", "id_ed25519"),
        ("unauthorized: access denied", Forbidden, "does not give", "id_ed25519"),
        (
            "this model requires MLX support, but the MLX runtime is not available",
            EngineFailed,
            "MLX only",
            "GGUF tag",
        ),
        ("write /x/blobs/sha256-ab-partial: no space left on device", StorageFailed, "disk is full", "make room"),
        ("open /x/blobs: permission denied", StorageFailed, "cannot write", "OLLAMA_MODELS"),
        ("digest mismatch, file must be downloaded again: want a, got b", Damaged, "not what", "pull it again"),
        ("max retries exceeded: Get x: dial tcp: connection refused", PullBroke, "broke off", "is kept"),
        ("max retries exceeded: unexpected EOF", PullBroke, "broke off", "is kept"),
        ("pull model manifest: Get x: net/http: TLS handshake timeout", PullBroke, "broke off", "is kept"),
        ("pull model manifest: 503: upstream", PullBroke, "broke off", "is kept"),
        ("read tcp 1.2.3.4: connection reset by peer", PullBroke, "broke off", "is kept"),
        ("pull model manifest: Get x: dial tcp: lookup x: no such host", PullBroke, "cannot find", "online"),
        ("insecure protocol http", EngineFailed, "plain http", "--insecure"),
        ("http: server gave HTTP response to HTTPS client", EngineFailed, "plain http", "--insecure"),
        (
            "pull model manifest: tls: first record does not look like a TLS handshake",
            EngineFailed,
            "plain http",
            "insecure",
        ),
        ("http: no Location header in response", EngineFailed, "as Ollama expects", "--engine llamacpp"),
        ("unexpected status code 302", EngineFailed, "as Ollama expects", "--engine llamacpp"),
        ("tls: failed to verify certificate: x509: unknown authority", EngineFailed, "does not trust", "proxy"),
        ("something {new} \x1b[2J", EngineFailed, "cannot pull phi3:mini: something {new}", "log"),
    ],
)
async def test_an_error_in_the_middle_is_put_into_words(
    server: ScriptedServer, engine: OllamaEngine, text: str, kind: type[KdmgrError], words: str, hint: str
) -> None:
    server.on("POST", "/api/pull", stream(BEGINNING, line(error=text)))
    error = await failing_pull(engine)
    assert type(error) is kind
    assert words in error.message
    assert hint in (error.hint or "")
    assert "\x1b" not in error.message


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (stream(BEGINNING), PullBroke),
        (stream(BEGINNING, hangs_up=True), ConnectionBroke),
        (stream(), PullBroke),
        (stream(b'{"status":"succ'), EngineFailed),
        (stream(b"x" * (17 << 20)), EngineFailed),
        (stream(b'{"status":"a\x00b\xff"}\n'), EngineFailed),
        (json_reply(400, error="invalid model name"), EngineFailed),
        (json_reply(500, error="unexpected EOF"), EngineFailed),
        (json_reply(503, error="server busy"), EngineFailed),
    ],
)
async def test_a_stream_that_ends_or_lies_is_no_success(
    server: ScriptedServer, engine: OllamaEngine, reply: Reply, kind: type[KdmgrError]
) -> None:
    server.on("POST", "/api/pull", reply)
    assert isinstance(await failing_pull(engine), kind)


async def test_strange_texts_and_numbers_are_defused(server: ScriptedServer, engine: OllamaEngine) -> None:
    strange = '{"status":"a\u0085\\u001b[2J","digest":7,"total":-1,"completed":"x"}\n'.encode()
    server.on("POST", "/api/pull", stream(strange, line(status="success")))
    first, _ = await pull(engine)
    assert first == ServerProgress("a\ufffd\ufffd[2J")


async def test_nobody_there(engine: OllamaEngine) -> None:
    nobody = OllamaEngine("127.0.0.1:9", {}, platform="linux")
    assert isinstance(await failing_pull(nobody), ServerUnreachable)


async def test_closing_hangs_up_at_once(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/pull", stream(BEGINNING, 5.0))
    lines = engine.pull(NAME)
    await anext(lines)
    started = time.monotonic()
    await lines.aclose()
    assert await asyncio.to_thread(server.left.wait, 3)
    assert time.monotonic() - started < 3


async def test_a_server_is_asked_for_its_blobs(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("HEAD", f"/api/blobs/{DIGEST}", Reply())
    assert await engine.has_blob(DIGEST)
    assert not await engine.has_blob(f"sha256:{'cd' * 32}")
