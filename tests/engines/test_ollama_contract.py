"""What the client relies on, against recordings of real servers of both eras, and against one that is named.

`KDMGR_TEST_OLLAMA=127.0.0.1:11434` names a server: the model `smollm2:test` is created there. With
`KDMGR_RECORD=1` the recordings of its version are made anew from it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import ollama
import pytest

from kdmgr.config import Settings
from kdmgr.engines.ollama import OllamaEngine
from kdmgr.engines.ollama.pulling import PullBroke
from kdmgr.engines.protocol import (
    ChatDelta,
    ChatEvent,
    ChatMessage,
    ChatRequest,
    ChatStats,
    EngineModel,
    ModelLoading,
)
from kdmgr.errors import EngineFailed, KdmgrError, NotFound
from kdmgr.gguf.shape import read_shape
from kdmgr.modelfile.commands import Command, ModelfileError
from kdmgr.modelfile.go_template.chat import read_chat_template, render_chat
from kdmgr.modelfile.lint import lint_modelfile
from kdmgr.modelfile.parse import parse
from kdmgr.modelfile.render import render_command
from kdmgr.modelfile.shipped import read_shipped
from kdmgr.modelfile.templates import EXAMPLE_CHAT, families, find_family
from kdmgr.models.headers import read_file_header
from kdmgr.models.progress import Progress
from kdmgr.paths import Paths
from kdmgr.refs import parse_ollama_name
from kdmgr.services.app import Services
from kdmgr.services.model_parts import show_modelfile
from kdmgr.services.modelfile_apply import apply_to_server
from tests.engines.recording import Recorder
from tests.engines.scripted import RECORDINGS, ScriptedServer, load_recording
from tests.support.blob_registry import BlobRegistry

MODEL = EngineModel("smollm2:test")
FRANCE = (ChatMessage("user", "Name the capital of France."),)
WEIGHTS = bytes(range(256)) * 4000
GREEDY = {"temperature": 0.0, "seed": 1}


@pytest.fixture(scope="session")
def real_host(smollm_gguf: Path) -> str | None:
    host = os.environ.get("KDMGR_TEST_OLLAMA")
    if host:
        create_model(host, smollm_gguf)
    return host


def create_model(host: str, gguf: Path) -> None:
    """Create `smollm2:test` on a server, as a client does: the blob first, then the model."""
    digest = f"sha256:{hashlib.sha256(gguf.read_bytes()).hexdigest()}"
    with httpx.Client(base_url=f"http://{host}", timeout=120, trust_env=False) as client:
        if client.head(f"/api/blobs/{digest}").status_code == 404:
            with gguf.open("rb") as file:
                client.post(f"/api/blobs/{digest}", content=file).raise_for_status()
        body = {
            "model": MODEL.name,
            "files": {"m.gguf": digest},
            "system": "Answer in one word.",
            "parameters": {"temperature": 0.25, "num_ctx": 1024, "top_k": 40, "stop": ["<|im_end|>", '"\n\n\u0085']},
        }
        reply = client.post("/api/create", json=body)
        assert '"success"' in reply.text, reply.text
        client.post("/api/generate", json={"model": MODEL.name, "keep_alive": 0})


RECORDED = ("0.24", "0.33")
"""The servers that were recorded: the last version with an engine of its own, and one that starts llama-server."""


@pytest.fixture(params=["real"] if os.environ.get("KDMGR_TEST_OLLAMA") else RECORDED)
def version(request: pytest.FixtureRequest, real_host: str | None) -> str:
    """The version of the server without its last part: of the real one, or of the recordings."""
    if real_host is None:
        return str(request.param)
    told = httpx.get(f"http://{real_host}/api/version", trust_env=False).json()["version"]
    return str(told.rpartition(".")[0])


@pytest.fixture
def recording(request: pytest.FixtureRequest, version: str) -> Path:
    """The recording that bears the test's name."""
    parts = [part for part in request.node.callspec.id.split("-") if part not in ("real", *RECORDED)]
    name = re.sub(r"[^a-z0-9_.-]+", "-", "-".join([request.node.originalname.removeprefix("test_"), *parts]))
    return RECORDINGS / "ollama" / version / f"{name.strip('-')}.json"


@pytest.fixture
def host(recording: Path, real_host: str | None) -> Iterator[str]:
    """The address of the server: the real one, or one that plays the recording."""
    if real_host:
        yield real_host
        return
    with ScriptedServer(load_recording(recording)) as server:
        yield server.host


@pytest.fixture
async def engine(host: str, recording: Path, real_host: str | None) -> AsyncIterator[OllamaEngine]:
    recorder = Recorder() if real_host and os.environ.get("KDMGR_RECORD") else None
    engine = OllamaEngine(host, {}, transport=recorder)
    yield engine
    await engine.close()
    if recorder:
        recorder.write(recording)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Folders of the test's own."""
    return Paths(tmp_path / "data", tmp_path / "config", tmp_path / "cache", tmp_path / "ollama")


async def collect(engine: OllamaEngine, request: ChatRequest) -> list[ChatEvent]:
    return [event async for event in engine.chat(request)]


def answer(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ChatDelta))


async def unload(engine: OllamaEngine) -> None:
    """Unload the model, and wait until the server says so."""
    await engine.unload(MODEL)
    until = time.monotonic() + 10
    while any(model.name == MODEL.name for model in await engine.loaded_models()):
        assert time.monotonic() < until
        await asyncio.sleep(0.1)


async def test_status_tells_version_and_address(engine: OllamaEngine) -> None:
    status = await engine.status()
    assert status.usable
    assert status.version
    assert engine.address.url in status.detail


async def test_the_list_has_the_model_with_its_facts(engine: OllamaEngine) -> None:
    (model,) = [model for model in await engine.list_models() if model.name == MODEL.name]
    assert 98_000_000 < model.size < 99_000_000
    assert re.fullmatch("[0-9a-f]{64}", model.digest)
    assert model.modified_at is not None
    assert model.modified_at.tzinfo is not None
    assert (model.family, model.parameter_size, model.quant) == ("llama", "134.52M", "Q4_1")
    assert not model.is_remote


async def test_show_reads_what_the_server_knows(engine: OllamaEngine) -> None:
    shown = await engine.show(MODEL.name)
    assert (shown.details.family, shown.details.quant, shown.details.format) == ("llama", "Q4_1", "gguf")
    assert shown.model_info["llama.block_count"] == 30
    assert shown.system == "Answer in one word."
    assert shown.parameters == {
        "temperature": 0.25,
        "num_ctx": 1024,
        "top_k": 40,
        "stop": ("<|im_end|>", '"\n\n\u0085'),
    }
    assert isinstance(shown.parameters["num_ctx"], int)
    assert "completion" in shown.capabilities
    assert shown.template is not None
    assert "<|im_start|>" in shown.template
    assert shown.modelfile is not None
    assert "FROM " in shown.modelfile
    assert shown.license is None


async def test_the_header_of_a_model_is_put_together_from_what_is_shown(
    engine: OllamaEngine, smollm_gguf: Path
) -> None:
    shown = await engine.header(MODEL.name)
    real = read_file_header(smollm_gguf)
    assert sorted((row.name, row.shape, row.type, row.n_bytes) for row in shown.tensors) == sorted(
        (row.name, row.shape, row.type, row.n_bytes) for row in real.tensors
    )
    assert shown.weights_bytes == real.weights_bytes
    # The server keeps the name and the template to itself; all that decides memory is the same.
    assert replace(read_shape(shown), name=None, has_chat_template=True) == replace(read_shape(real), name=None)


async def test_an_answer_streams_and_ends_with_its_figures(engine: OllamaEngine) -> None:
    await unload(engine)
    request = ChatRequest(MODEL, FRANCE, n_ctx=512, parameters={**GREEDY, "num_predict": 6})
    events = await collect(engine, request)
    assert events[0] == ModelLoading()
    assert "Paris" in answer(events)
    assert all(event.n_tokens is None for event in events if isinstance(event, ChatDelta))
    stats = events[-1]
    assert isinstance(stats, ChatStats)
    assert [type(event) for event in events].count(ChatStats) == 1
    assert (stats.stop_reason, stats.n_output, stats.n_ctx, stats.n_cached) == ("length", 6, 512, None)
    assert stats.n_prompt is not None
    assert 20 < stats.n_prompt < 60
    assert stats.decode_s is not None
    assert 0 < stats.decode_s < 30
    assert stats.ttft_s is not None
    assert stats.total_s is not None
    assert stats.load_s is not None
    assert stats.decode_tok_s == pytest.approx(6 / stats.decode_s)
    (loaded,) = [model for model in await engine.loaded_models() if model.name == MODEL.name]
    assert loaded.n_ctx == 512
    assert loaded.size is not None
    assert loaded.size > 98_000_000
    assert loaded.expires_at is not None


async def test_a_loaded_model_is_not_announced_as_loading(engine: OllamaEngine) -> None:
    request = ChatRequest(MODEL, FRANCE, parameters={**GREEDY, "num_predict": 2})
    await collect(engine, request)
    events = await collect(engine, request)
    assert isinstance(events[0], ChatDelta)
    assert isinstance(events[-1], ChatStats)
    assert events[-1].n_ctx == 1024


async def test_a_stop_text_ends_the_answer(engine: OllamaEngine) -> None:
    request = ChatRequest(MODEL, FRANCE, parameters={**GREEDY, "num_predict": 40, "stop": "Paris"})
    events = await collect(engine, request)
    assert "Paris" not in answer(events)
    assert isinstance(events[-1], ChatStats)
    assert events[-1].stop_reason == "stop"


async def test_a_system_text_takes_the_place_of_the_models_own(engine: OllamaEngine) -> None:
    limits = {**GREEDY, "num_predict": 1}
    long = EngineModel(MODEL.name, system="Be brief. " * 50)
    counts = []
    for model in (MODEL, long):
        stats = (await collect(engine, ChatRequest(model, FRANCE, parameters=limits)))[-1]
        assert isinstance(stats, ChatStats)
        assert stats.n_prompt is not None
        counts.append(stats.n_prompt)
    assert counts[1] > counts[0] + 100


async def test_closing_an_answer_leaves_the_server_ready(engine: OllamaEngine) -> None:
    long = ChatRequest(MODEL, (ChatMessage("user", "Tell a long story."),), parameters={**GREEDY, "num_predict": 900})
    events = engine.chat(long)
    async for event in events:
        if isinstance(event, ChatDelta):
            break
    started = time.monotonic()
    await events.aclose()
    assert time.monotonic() - started < 0.5
    short = await collect(engine, ChatRequest(MODEL, FRANCE, parameters={**GREEDY, "num_predict": 2}))
    assert isinstance(short[-1], ChatStats)
    assert time.monotonic() - started < 10


async def test_a_missing_model_is_not_found(engine: OllamaEngine) -> None:
    with pytest.raises(NotFound, match="nothing:here") as shown:
        await engine.show("nothing:here")
    assert "kdmgr pull nothing:here" in (shown.value.hint or "")
    with pytest.raises(NotFound, match="nothing:here"):
        await collect(engine, ChatRequest(EngineModel("nothing:here"), FRANCE))


async def test_an_impossible_name_is_refused_with_the_servers_reason(engine: OllamaEngine) -> None:
    with pytest.raises((EngineFailed, NotFound)) as failed:
        await collect(engine, ChatRequest(EngineModel("../../etc/passwd"), FRANCE))
    assert failed.value.hint


async def test_thinking_on_a_model_that_cannot_is_refused(engine: OllamaEngine) -> None:
    with pytest.raises(EngineFailed, match="does not support thinking") as failed:
        await collect(engine, ChatRequest(MODEL, FRANCE, think=True))
    assert failed.value.hint == "ask without thinking"


async def test_unloading_frees_the_model_and_may_be_repeated(engine: OllamaEngine) -> None:
    await collect(engine, ChatRequest(MODEL, FRANCE, parameters={**GREEDY, "num_predict": 1}))
    assert any(model.name == MODEL.name for model in await engine.loaded_models())
    await unload(engine)
    await engine.unload(MODEL)
    assert not any(model.name == MODEL.name for model in await engine.loaded_models())


@pytest.fixture
def published(real_host: str | None, recording: Path, tmp_path: Path) -> Iterator[str]:
    """A model of a registry on this machine: a real server can pull it, the recording has."""
    if real_host is None:
        pulls = (entry for entry in load_recording(recording) if entry.path == "/api/pull")
        body = next(pulls).body
        assert body is not None
        yield body["model"]
        return
    with BlobRegistry(tmp_path) as registry:
        registry.publish("library/tiny:1b", model=WEIGHTS, template=b"{{ .Prompt }}")
        name = f"{registry.host}/library/tiny:1b"
        yield name
        with httpx.Client(base_url=f"http://{real_host}", trust_env=False) as client:
            client.request("DELETE", "/api/delete", json={"model": name})


async def test_a_pull_tells_of_its_blobs_and_ends_with_success(
    engine: OllamaEngine, published: str, version: str
) -> None:
    seen = [progress async for progress in engine.pull(published, insecure=True)]
    assert seen[0].status == "pulling manifest"
    assert seen[-1].status == "success"
    weights = f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}"
    # Since 0.30 a blob that comes between two of the server's reports is never named.
    assert {progress.total for progress in seen if progress.digest == weights} <= {len(WEIGHTS)}
    if version == "0.24":
        assert len({progress.digest for progress in seen if progress.digest}) == 3
    assert [await engine.has_blob(digest) for digest in (weights, f"sha256:{'0' * 64}")] == [True, False]
    assert any(model.name == published for model in await engine.list_models())


async def test_a_second_pull_tells_that_all_is_there(engine: OllamaEngine, published: str) -> None:
    for _ in range(2):
        seen = [progress async for progress in engine.pull(published, insecure=True)]
    assert seen[-1].status == "success"
    assert all(progress.completed == progress.total for progress in seen if progress.digest)


async def test_a_tag_that_is_not_there_is_not_found(engine: OllamaEngine, published: str) -> None:
    async for _ in engine.pull(published, insecure=True):
        pass
    missing = published.replace(":1b", ":7b")
    with pytest.raises(NotFound, match="the registry has no"):
        async for _ in engine.pull(missing, insecure=True):
            pass


async def test_a_registry_that_is_down_is_said_to_be(engine: OllamaEngine) -> None:
    with pytest.raises(PullBroke, match="connection refused"):
        async for _ in engine.pull("127.0.0.1:9/library/tiny:1b", insecure=True):
            pass


async def test_plain_http_has_to_be_allowed(engine: OllamaEngine, published: str) -> None:
    with pytest.raises(EngineFailed, match="plain http") as failed:
        async for _ in engine.pull(published):
            pass
    assert "--insecure" in (failed.value.hint or "")


async def test_the_official_client_reads_the_same(engine: OllamaEngine, host: str) -> None:
    await collect(engine, ChatRequest(MODEL, FRANCE, parameters={**GREEDY, "num_predict": 1}))
    listed, shown, loaded = await engine.list_models(), await engine.show(MODEL.name), await engine.loaded_models()
    official = ollama.AsyncClient(host, trust_env=False)
    theirs = (await official.list()).models
    # By name: those that were made within one second come in any order.
    assert sorted((m.name, m.size, m.digest, m.modified_at, m.family, m.parameter_size, m.quant) for m in listed) == (
        sorted(
            (m.model or "", m.size, m.digest, m.modified_at, d.family, d.parameter_size, d.quantization_level)
            for m in theirs
            if (d := m.details)
        )
    )
    their_show = await official.show(MODEL.name)
    assert their_show.modelinfo == shown.model_info
    assert their_show.template == shown.template
    # The server puts the parameters into another order each time.
    assert sorted((their_show.modelfile or "").split()) == sorted((shown.modelfile or "").split())
    assert tuple(their_show.capabilities or ()) == shown.capabilities
    assert their_show.modified_at == shown.modified_at
    their_loaded = (await official.ps()).models
    assert [(m.name, m.size, m.size_vram, m.n_ctx, m.expires_at) for m in loaded] == [
        (m.name, m.size, m.size_vram, m.context_length, m.expires_at) for m in their_loaded
    ]
    assert loaded
    await official._client.aclose()


FAMILIES = tuple(family.name for family in families())
CHAT = [{"role": role, "content": content} for role, content in EXAMPLE_CHAT]


async def make(engine: OllamaEngine, modelfile: str, name: str, paths: Paths) -> str:
    """Apply a Modelfile to the server; the digest of the model."""
    services = Services(paths, Settings(), {})
    told: list[Progress] = []
    await apply_to_server(services, parse(modelfile), Path("/"), parse_ollama_name(name), told.append, engine=engine)
    assert told[-1].status == "success"
    made = await engine.find(name)
    assert made is not None
    return made.digest


async def test_a_modelfile_that_is_shown_makes_the_same_model_again(engine: OllamaEngine, paths: Paths) -> None:
    odd = (
        f'FROM {MODEL.name}\nSYSTEM """"quoted" and\nlong\n\n"""\nPARAMETER num_ctx 1048576\nPARAMETER top_p 0.95\n'
        'PARAMETER stop " spaced "\nPARAMETER stop """\n"""\nPARAMETER use_mmap true\nMESSAGE user "hi\n"\n'
        'LICENSE """ a\r\n"""\nREQUIRES 0.14.0\n'
    )
    await make(engine, odd, "smollm2:odd", paths)
    services = Services(paths, Settings(), {}, host=engine.address.url)
    shown = (await show_modelfile(services, "smollm2:odd", engine)).composed
    assert shown.lost == ()
    assert parse(shown.text).messages == parse(odd).messages
    assert parse(shown.text).parameters == parse(odd).parameters | {"temperature": 0.25, "top_k": 40}
    assert (parse(shown.text).system, parse(shown.text).licenses) == (parse(odd).system, parse(odd).licenses)
    theirs = (await engine.show("smollm2:odd")).modelfile or ""
    assert "PARAMETER num_ctx 1.048576e+06" in theirs
    with pytest.raises(ModelfileError):
        parse(theirs)
    # What is made FROM a name keeps a note of it in its manifest; from here on everything is the same.
    digest = await make(engine, shown.text, "smollm2:again", paths)
    again = (await show_modelfile(services, "smollm2:again", engine)).composed
    assert again.text == shown.text
    assert await make(engine, again.text, "smollm2:third", paths) == digest


@pytest.mark.parametrize("name", FAMILIES)
async def test_the_server_takes_the_template_and_renders_it_as_we_do(
    engine: OllamaEngine, name: str, paths: Paths
) -> None:
    family = find_family(name)
    assert family is not None
    command = render_command(Command("template", family.template))
    await make(engine, f"FROM {MODEL.name}\nSYSTEM other\n{command}", "smollm2:template", paths)
    body = {"model": "smollm2:template", "messages": CHAT, "stream": False, "_debug_render_only": True}
    reply = await engine._server.post("/api/chat", body)
    rendered = reply["_debug_info"]["rendered_template"]
    today = re.compile(r"Current date: [0-9-]+")
    thinks = read_chat_template(family.template).can_think
    expected = render_chat(read_chat_template(family.template), EXAMPLE_CHAT, think=True if thinks else None)
    assert today.sub("Current date: ?", rendered) == today.sub("Current date: ?", expected)
    if thinks:
        assert "thinking" in (await engine.show("smollm2:template")).capabilities


async def test_the_guard_is_given_its_task(engine: OllamaEngine, paths: Paths) -> None:
    template = parse(read_shipped("llama-guard3")).template or ""
    command = render_command(Command("template", template))
    await make(engine, f"FROM {MODEL.name}\nSYSTEM other\n{command}", "smollm2:template", paths)
    body = {"model": "smollm2:template", "messages": CHAT, "stream": False, "_debug_render_only": True}
    reply = await engine._server.post("/api/chat", body)
    assert reply["_debug_info"]["rendered_template"] == render_chat(read_chat_template(template), EXAMPLE_CHAT)


async def test_a_template_that_is_refused_is_one_that_lint_finds(engine: OllamaEngine, paths: Paths) -> None:
    broken = f"FROM {MODEL.name}\nTEMPLATE {{{{ if .System }}}}\n"
    assert [finding.code for finding in lint_modelfile(broken)] == ["template-fails"]
    with pytest.raises(KdmgrError, match="template error"):
        await make(engine, broken, "smollm2:broken", paths)


async def test_a_base_that_the_server_lacks_is_not_pulled_unasked(engine: OllamaEngine, paths: Paths) -> None:
    with pytest.raises(NotFound, match="nothing:here"):
        await make(engine, "FROM nothing:here", "smollm2:none", paths)
