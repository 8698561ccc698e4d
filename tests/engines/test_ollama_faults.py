"""Servers that fail, lie, or are not there."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from kdmgr.engines.ollama import OllamaEngine, parse_host
from kdmgr.engines.ollama.reaching import transport_failure
from kdmgr.engines.protocol import ChatDelta, ChatEvent, ChatMessage, ChatRequest, ChatStats, EngineModel, ModelLoading
from kdmgr.errors import EngineFailed, KdmgrError, NotFound, ServerUnreachable
from tests.engines.scripted import Reply, ScriptedServer, json_reply, line

REQUEST = ChatRequest(EngineModel("m:1b"), (ChatMessage("user", "hello"),))
NOTHING_LOADED = json_reply(models=[])
DONE = line(message={"content": ""}, done=True, done_reason="stop", eval_count=3, eval_duration=1_500_000_000)


def piece(content: str, **more: object) -> bytes:
    return line(message={"role": "assistant", "content": content, **more}, done=False)


def stream(*pieces: bytes | float, hangs_up: bool = False) -> Reply:
    return Reply(pieces, content_type="application/x-ndjson", hangs_up=hangs_up)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server.on("GET", "/api/ps", NOTHING_LOADED)


@pytest.fixture
async def engine(server: ScriptedServer) -> AsyncIterator[OllamaEngine]:
    engine = OllamaEngine(server.host, {}, platform="linux")
    yield engine
    await engine.close()


async def failing_chat(engine: OllamaEngine) -> tuple[list[ChatEvent], KdmgrError]:
    """What came of an answer, and how it failed."""
    events: list[ChatEvent] = []
    with pytest.raises(KdmgrError) as failed:
        async for event in engine.chat(REQUEST):
            events.append(event)
    return events, failed.value


async def test_a_hang_up_keeps_what_came_and_says_so(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/chat", stream(piece("half"), hangs_up=True))
    events, error = await failing_chat(engine)
    assert events == [ModelLoading(), ChatDelta("half")]
    assert isinstance(error, EngineFailed)
    assert "broke" in error.message


async def test_a_stream_without_its_last_line_is_a_failure(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/chat", stream(piece("half")))
    events, error = await failing_chat(engine)
    assert events[-1] == ChatDelta("half")
    assert isinstance(error, EngineFailed)
    assert "before it was done" in error.message


async def test_an_error_line_ends_the_answer(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/chat", stream(piece("a"), line(error="runner died:\n\x1b[2Jexit 2"), piece("b")))
    events, error = await failing_chat(engine)
    assert events[-1] == ChatDelta("a")
    assert isinstance(error, EngineFailed)
    assert "runner died: \ufffd[2Jexit 2" in error.message


async def test_a_dead_runner_is_explained(server: ScriptedServer, engine: OllamaEngine) -> None:
    died = "an error was encountered while running the model: unexpected EOF"
    server.on("POST", "/api/chat", stream(piece("a"), line(error=died)))
    _, error = await failing_chat(engine)
    assert died in error.message
    assert "the process that ran the model died" in (error.hint or "")


async def test_a_picture_that_it_cannot_read_is_no_dead_runner(server: ScriptedServer, engine: OllamaEngine) -> None:
    for why in ("unexpected EOF", "image: unknown format"):
        told = f"Failed to create new sequence: failed to process inputs: {why}"
        server.exchanges = [one for one in server.exchanges if one.path != "/api/chat"]
        server.on("POST", "/api/chat", json_reply(500, error=told))
        _, error = await failing_chat(engine)
        assert told in error.message and "cannot read the picture" in (error.hint or "")


async def test_an_error_line_about_a_missing_model_is_not_found(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/chat", stream(line(error='model "m:1b" not found, try pulling it first')))
    _, error = await failing_chat(engine)
    assert isinstance(error, NotFound)
    assert "kdmgr pull m:1b" in (error.hint or "")


@pytest.mark.parametrize(
    "garbage",
    [b"<html>\n", b"[1]\n", b"{}{}\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n", b'{"done":' + b"9" * 5000 + b"}\n"],
)
async def test_a_line_of_garbage_is_a_failure(server: ScriptedServer, engine: OllamaEngine, garbage: bytes) -> None:
    server.on("POST", "/api/chat", stream(piece("a"), garbage, DONE))
    events, error = await failing_chat(engine)
    assert events[-1] == ChatDelta("a")
    assert isinstance(error, EngineFailed)
    assert "understood" in error.message


async def test_only_newlines_part_lines(server: ScriptedServer, engine: OllamaEngine) -> None:
    odd = "one\u0085two\u2028three\x1cfour"
    server.on("POST", "/api/chat", stream(piece(odd), b"\r\n", DONE))
    events = [event async for event in engine.chat(REQUEST)]
    assert events[1] == ChatDelta(odd)


async def test_lines_may_be_cut_anywhere(server: ScriptedServer, engine: OllamaEngine) -> None:
    whole = piece("Grüße") + piece("", thinking="hm") + DONE.rstrip()
    server.on("POST", "/api/chat", stream(*(whole[at : at + 7] for at in range(0, len(whole), 7))))
    events = [event async for event in engine.chat(REQUEST)]
    assert events[1:3] == [ChatDelta("Grüße"), ChatDelta(thinking="hm")]
    assert isinstance(events[-1], ChatStats)


async def test_a_line_without_end_is_given_up(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/chat", stream(*([b"x" * (1 << 20)] * 18)))
    _, error = await failing_chat(engine)
    assert isinstance(error, EngineFailed)
    assert "16 MiB" in error.message


async def test_wrong_types_never_reach_the_figures(server: ScriptedServer, engine: OllamaEngine) -> None:
    last: dict[str, Any] = {
        "message": "text", "done": True, "done_reason": 7, "eval_count": -1, "eval_duration": "9",
        "prompt_eval_count": True, "prompt_eval_duration": 1.5, "load_duration": None, "total_duration": 1 << 70,
    }  # fmt: skip
    server.on("POST", "/api/chat", stream(line(message=None), line(message={"content": 5}), line(**last)))
    (_, stats) = [event async for event in engine.chat(REQUEST)]
    assert isinstance(stats, ChatStats)
    assert (stats.n_prompt, stats.n_output, stats.prompt_s, stats.decode_s) == (None, None, None, None)
    assert (stats.load_s, stats.total_s, stats.ttft_s, stats.n_ctx, stats.decode_tok_s) == (None,) * 5
    assert stats.stop_reason == "stop"


async def test_the_counts_come_from_the_last_line(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/chat", stream(piece("a b c"), DONE))
    stats = [event async for event in engine.chat(REQUEST)][-1]
    assert isinstance(stats, ChatStats)
    assert (stats.n_output, stats.decode_s, stats.decode_tok_s) == (3, 1.5, 2.0)
    assert stats.n_prompt is None


async def test_tokens_are_counted_only_by_log_probabilities(server: ScriptedServer, engine: OllamaEngine) -> None:
    probable = line(message={"content": "ab"}, logprobs=[{"token": "a"}, {"token": "b"}], done=False)
    server.on("POST", "/api/chat", stream(probable, piece("c"), DONE))
    events = [event async for event in engine.chat(REQUEST)]
    assert events[1:3] == [ChatDelta("ab", n_tokens=2), ChatDelta("c", n_tokens=None)]


async def test_half_a_surrogate_pair_is_made_printable(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/chat", stream(b'{"message":{"content":"x\\ud83dy\\ud83d\\ude00"}}\n', DONE))
    events = [event async for event in engine.chat(REQUEST)]
    assert events[1] == ChatDelta("x\ufffdy😀")


async def test_the_time_to_the_first_token_runs_from_the_request(server: ScriptedServer) -> None:
    server.on("POST", "/api/chat", stream(line(message={"content": ""}), piece("a"), piece("b"), DONE))
    clock = iter([10.0, 10.25])
    engine = OllamaEngine(server.host, {}, clock=lambda: next(clock))
    stats = [event async for event in engine.chat(REQUEST)][-1]
    await engine.close()
    assert isinstance(stats, ChatStats)
    assert stats.ttft_s == 0.25


async def test_closing_an_answer_closes_the_connection(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/chat", stream(piece("a"), 30.0, DONE))
    events = engine.chat(REQUEST)
    assert [await anext(events), await anext(events)] == [ModelLoading(), ChatDelta("a")]
    await events.aclose()
    assert await asyncio.to_thread(server.left.wait, 2)


async def test_cancelling_a_slow_answer_closes_the_connection(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/chat", stream(piece("a"), 30.0, DONE))
    events = engine.chat(REQUEST)
    await anext(events)
    await anext(events)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await anext(events)
    assert await asyncio.to_thread(server.left.wait, 2)
    assert time.monotonic() - started < 2


async def test_the_request_carries_what_was_asked_for(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/chat", stream(DONE))
    model = EngineModel("m:1b", system="Be kind.", parameters={"top_k": 5, "temperature": 0.1})
    request = ChatRequest(
        model,
        (ChatMessage("user", "hello"),),
        n_ctx=2048,
        think=False,
        parameters={"temperature": 0.9, "stop": ("a", "b")},
    )
    [event async for event in engine.chat(request)]
    (asked,) = [asked for asked in server.asked if asked.path == "/api/chat"]
    assert asked.body == {
        "model": "m:1b",
        "stream": True,
        "think": False,
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hello"}],
        "options": {"top_k": 5, "temperature": 0.9, "stop": ["a", "b"], "num_ctx": 2048},
    }


async def test_unload_names_the_model_and_nothing_else(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/generate", json_reply(done=True, done_reason="unload"))
    await engine.unload(EngineModel("m:1b"))
    assert server.asked[-1].body == {"model": "m:1b", "keep_alive": 0, "stream": False}


async def test_a_refused_host_name_is_explained(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("GET", "/api/version", Reply((), 403)).on("GET", "/api/tags", Reply((), 403))
    status = await engine.status()
    assert not status.usable
    assert "refuses the host name" in status.detail
    assert "OLLAMA_HOST" in (status.hint or "")
    with pytest.raises(EngineFailed, match="refuses the host name"):
        await engine.list_models()


async def test_a_busy_server_is_called_busy(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("POST", "/api/chat", json_reply(503, error="server busy, please try again."))
    _, error = await failing_chat(engine)
    assert isinstance(error, EngineFailed)
    assert "busy" in error.message
    assert "try again" in (error.hint or "")


async def test_an_error_inside_an_error_is_unwrapped(server: ScriptedServer, engine: OllamaEngine) -> None:
    inner = json.dumps({"error": {"code": 500, "message": "out of memory"}})
    server.on("POST", "/api/chat", json_reply(500, error=inner))
    _, error = await failing_chat(engine)
    assert error.message.endswith(": out of memory")
    assert "smaller" in (error.hint or "")


@pytest.mark.parametrize(
    "reply",
    [
        Reply((b"404 page not found",), 404, "text/plain"),
        Reply((b"<html>welcome",), 200, "text/html"),
        json_reply(version=3),
        json_reply(hello="world"),
        Reply((), 301),
        Reply((b"{",), hangs_up=True),
    ],
)
async def test_another_kind_of_server_is_not_usable(server: ScriptedServer, engine: OllamaEngine, reply: Reply) -> None:
    server.on("GET", "/api/version", reply)
    status = await engine.status()
    assert not status.usable
    assert status.detail
    assert status.version is None


@pytest.mark.parametrize(
    "models", ["no", 3, [5], [{"name": ""}], [{"name": "x"}], [{"name": "x", "size": "1"}], [{"name": "x", "size": -1}]]
)
async def test_a_list_of_something_else_is_a_failure(
    server: ScriptedServer, engine: OllamaEngine, models: object
) -> None:
    server.on("GET", "/api/tags", json_reply(models=models))
    with pytest.raises(EngineFailed, match="cannot be understood"):
        await engine.list_models()


async def test_remote_models_are_marked_and_odd_facts_are_unknown(server: ScriptedServer, engine: OllamaEngine) -> None:
    remote = {"name": "big:cloud", "size": 380, "digest": 4, "remote_model": "big", "details": [], "modified_at": "x"}
    plain = {"name": "m:1b", "size": 1, "digest": "d", "modified_at": "0001-01-01T00:00:00Z", "details": {"family": 2}}
    server.on("GET", "/api/tags", json_reply(models=[remote, plain]))
    first, second = await engine.list_models()
    assert (first.is_remote, first.digest, first.modified_at) == (True, "", None)
    assert (second.is_remote, second.modified_at, second.family) == (False, None, None)


async def test_no_models_may_be_null(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("GET", "/api/tags", json_reply(models=None))
    assert await engine.list_models() == []


async def test_a_reply_without_end_is_cut(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("GET", "/api/tags", Reply((b'{"models":"', *([b"x" * (1 << 22)] * 17), b'"}')))
    with pytest.raises(EngineFailed, match="cannot be understood"):
        await engine.list_models()


async def test_a_slow_reply_is_not_waited_for(server: ScriptedServer, engine: OllamaEngine) -> None:
    server.on("GET", "/api/tags", Reply((*((b" ", 0.05) * 200), b"{}")))
    started = time.monotonic()
    with pytest.raises(ServerUnreachable, match=r"within 0\.3 s"):
        await engine._server.get("/api/tags", within=0.3)
    assert time.monotonic() - started < 2


async def test_a_chat_goes_on_when_the_server_hides_what_is_loaded() -> None:
    with ScriptedServer().on("GET", "/api/ps", Reply((), 500)).on("POST", "/api/chat", stream(DONE)) as server:
        engine = OllamaEngine(server.host, {})
        (stats,) = [event async for event in engine.chat(REQUEST)]
        await engine.close()
    assert isinstance(stats, ChatStats)
    assert stats.n_ctx is None


@pytest.fixture
def dead_host() -> str:
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def test_a_server_that_is_not_running_gets_a_start_hint(dead_host: str) -> None:
    engine = OllamaEngine(None, {"OLLAMA_HOST": dead_host}, platform="linux")
    status = await engine.status()
    assert not status.usable
    assert status.detail.startswith(f"no Ollama server answers at http://{dead_host}: ")
    assert (status.hint or "").startswith(f"start it: OLLAMA_HOST={dead_host} ollama serve")
    assert status.reason == "refused"
    with pytest.raises(ServerUnreachable) as failed:
        await engine.list_models()
    assert failed.value.exit_code == 3
    _, error = await failing_chat(engine)
    assert isinstance(error, ServerUnreachable)
    await engine.close()
    await engine.close()


@pytest.mark.parametrize(
    "host", ["nosuchhost.invalid", "ftp://x", "a b", "a..b", "x" * 70 + ".com", "\x1b[2J", "?", "http://[", "\ud800"]
)
async def test_no_address_breaks_the_status(host: str) -> None:
    engine = OllamaEngine(host, {})
    status = await engine.status()
    await engine.close()
    assert not status.usable
    assert status.hint
    assert "\x1b" not in status.detail + status.hint


def test_the_reason_is_the_deepest_one() -> None:
    address = parse_host("")
    error = httpx.ConnectError("All connection attempts failed")
    assert str(transport_failure(address, error, "linux")).endswith(": All connection attempts failed")
    error.__cause__ = OSError("several")
    error.__cause__.__context__ = ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 11434)")
    assert str(transport_failure(address, error, "linux")).endswith(": connection refused")
    error.__cause__.__context__ = socket.gaierror(-2, "Name or service not known")
    assert str(transport_failure(address, error, "linux")).endswith(": Name or service not known")


def test_unusable_proxy_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "nonsense://127.0.0.1:1")
    away, here = OllamaEngine("192.0.2.1", {}), OllamaEngine("127.0.0.1:1", {}, platform="linux")
    statuses = asyncio.run(away.status()), asyncio.run(here.status())
    assert "HTTPS_PROXY" in (statuses[0].hint or "")
    assert (statuses[1].hint or "").startswith("start it: OLLAMA_HOST=127.0.0.1:1 ollama serve")
    assert [status.reason for status in statuses] == ["proxy", "refused"]
