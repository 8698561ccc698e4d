"""The embedded engine for real: real models in real workers."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from time import monotonic

import pytest
import pytest_asyncio

from kdmgr.engines.llamacpp.engine import LlamaCppEngine
from kdmgr.engines.protocol import (
    ChatDelta,
    ChatEvent,
    ChatMessage,
    ChatRequest,
    ChatStats,
    EngineModel,
    ModelLoading,
    ParameterValue,
)
from kdmgr.errors import EngineFailed

MIB = 1 << 20
WORKER_GONE_S = 5.0


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[LlamaCppEngine]:
    engine = LlamaCppEngine()
    yield engine
    await engine.close()


def ask(
    path: Path,
    text: str = "Tell me a story about the sea.",
    *,
    n_predict: int = 16,
    n_ctx: int | None = 1024,
    cache_type: str | None = None,
    template: str | None = None,
    **parameters: ParameterValue,
) -> ChatRequest:
    return ChatRequest(
        EngineModel(path.stem, path, chat_template=template),
        (ChatMessage("user", text),),
        n_ctx=n_ctx,
        cache_type=cache_type,
        parameters={"num_predict": n_predict, "temperature": 0.0, **parameters},
    )


async def answer(engine: LlamaCppEngine, request: ChatRequest) -> list[ChatEvent]:
    return [event async for event in engine.chat(request)]


def text_of(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ChatDelta))


def stats_of(events: list[ChatEvent]) -> ChatStats:
    assert isinstance(events[-1], ChatStats)
    assert sum(isinstance(event, ChatStats) for event in events) == 1
    return events[-1]


def is_running(pid: int) -> bool:
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


async def wait_until_gone(pid: int) -> None:
    limit = monotonic() + WORKER_GONE_S
    while is_running(pid):
        assert monotonic() < limit, "the worker outlives its limit"
        await asyncio.sleep(0.02)


async def take(engine: LlamaCppEngine, request: ChatRequest, n_deltas: int) -> str:
    """Read so many pieces, then close the stream."""
    pieces: list[str] = []
    async with aclosing(engine.chat(request)) as events:
        async for event in events:
            if isinstance(event, ChatDelta):
                pieces.append(event.text)
            if len(pieces) == n_deltas:
                break
    return "".join(pieces)


async def test_streams_an_answer_with_its_figures(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    events = await answer(engine, ask(smollm_gguf))
    assert events[0] == ModelLoading()
    assert "sea" in text_of(events)
    stats = stats_of(events)
    assert (stats.n_output, stats.n_ctx, stats.stop_reason) == (16, 1024, "length")
    assert sum(event.n_tokens or 0 for event in events if isinstance(event, ChatDelta)) == 16
    assert stats.n_prompt == 38
    assert stats.n_cached == 0
    assert stats.decode_tok_s and stats.decode_tok_s > 1
    assert stats.prefill_tok_s and stats.prefill_tok_s > 1
    assert stats.load_s and stats.ttft_s and stats.total_s
    assert stats.load_s + stats.ttft_s < stats.total_s


async def test_a_second_question_needs_no_load_and_reuses_the_prompt(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    first = await answer(engine, ask(smollm_gguf))
    second = await answer(engine, ask(smollm_gguf))
    assert not any(isinstance(event, ModelLoading) for event in second)
    assert text_of(second) == text_of(first)
    stats = stats_of(second)
    assert stats.load_s == 0
    assert stats.n_cached and stats.n_cached > 30


async def test_an_answer_can_end_by_itself_and_at_a_stop(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    assert stats_of(await answer(engine, ask(smollm_gguf, "Say hi.", n_predict=200))).stop_reason == "stop"
    events = await answer(engine, ask(smollm_gguf, stop=("sea",), n_predict=200))
    assert "sea" not in text_of(events)
    assert stats_of(events).stop_reason == "stop"


async def test_what_the_memory_went_to_is_known(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    assert engine.buffers is None
    assert await engine.loaded_models() == []
    await answer(engine, ask(smollm_gguf, n_ctx=2048, n_predict=1))
    buffers = engine.buffers
    assert buffers is not None
    assert buffers.kv_cache == {"CPU": 45 * MIB}
    assert sum(buffers.weights.values()) == pytest.approx(92.10 * MIB, abs=6000)
    (loaded,) = await engine.loaded_models()
    assert (loaded.name, loaded.n_ctx, loaded.size) == (smollm_gguf.stem, 2048, buffers.total)


async def test_closing_the_stream_stops_the_generation_and_keeps_the_model(
    engine: LlamaCppEngine, smollm_gguf: Path
) -> None:
    whole = text_of(await answer(engine, ask(smollm_gguf, n_predict=8)))
    pid = engine.worker_pid
    part = await take(engine, ask(smollm_gguf, n_predict=900), 5)
    assert part
    assert whole.startswith(part)
    started = monotonic()
    again = await answer(engine, ask(smollm_gguf, n_predict=8))
    # Running to the end would have taken 900 tokens.
    assert monotonic() - started < 3
    assert text_of(again) == whole
    assert engine.worker_pid == pid


async def test_cancelling_the_task_stops_the_generation_too(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    await answer(engine, ask(smollm_gguf, n_predict=1))
    pid = engine.worker_pid
    task = asyncio.create_task(answer(engine, ask(smollm_gguf, n_predict=900)))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert text_of(await answer(engine, ask(smollm_gguf, n_predict=8)))
    assert engine.worker_pid == pid


async def test_a_long_prompt_can_be_cancelled(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    await answer(engine, ask(smollm_gguf, n_ctx=8192, n_predict=1, num_batch=64))
    pid = engine.worker_pid
    # 7000 tokens: half a minute and more of work.
    long = ask(smollm_gguf, "The sea is wide and blue. " * 1000, n_ctx=8192, num_batch=64)
    task = asyncio.create_task(answer(engine, long))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    started = monotonic()
    await answer(engine, ask(smollm_gguf, "Hi", n_ctx=8192, n_predict=1, num_batch=64))
    assert monotonic() - started < 15
    assert engine.worker_pid == pid


async def test_loading_can_be_cancelled(engine: LlamaCppEngine, gemma_gguf: Path) -> None:
    async with aclosing(engine.chat(ask(gemma_gguf))) as events:
        assert await anext(events) == ModelLoading()
        loading = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.1)
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
    assert await engine.loaded_models() == []
    assert stats_of(await answer(engine, ask(gemma_gguf, n_predict=1))).n_output == 1


async def test_another_context_or_cache_type_loads_anew(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    await answer(engine, ask(smollm_gguf, n_predict=1, n_ctx=1024))
    wider = await answer(engine, ask(smollm_gguf, n_predict=1, n_ctx=2048))
    assert wider[0] == ModelLoading()
    assert stats_of(wider).n_ctx == 2048
    assert (await answer(engine, ask(smollm_gguf, n_predict=1, n_ctx=2048, cache_type="q8_0")))[0] == ModelLoading()
    assert engine.buffers is not None
    assert sum(engine.buffers.kv_cache.values()) == pytest.approx(45 * MIB * 34 / 64, rel=0.001)


async def test_the_context_that_it_settled_on_needs_no_new_load(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    # 1000 is padded to 1024; who then asks for the figure that was reported gets the same model.
    stats = stats_of(await answer(engine, ask(smollm_gguf, n_predict=1, n_ctx=1000)))
    assert stats.n_ctx == 1024
    assert not isinstance((await answer(engine, ask(smollm_gguf, n_predict=1, n_ctx=1024)))[0], ModelLoading)


async def test_no_more_context_than_the_model_was_trained_for(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    assert stats_of(await answer(engine, ask(smollm_gguf, n_predict=1, n_ctx=1 << 30))).n_ctx == 8192
    assert engine.buffers is not None
    assert engine.buffers.kv_cache == {"CPU": 180 * MIB}
    assert not isinstance((await answer(engine, ask(smollm_gguf, n_predict=1, n_ctx=1 << 30)))[0], ModelLoading)


async def test_without_a_template_the_text_is_completed(engine: LlamaCppEngine, gemma_gguf: Path) -> None:
    # A base model has none of its own: the prompt is the text, with no more than a start token.
    events = await answer(engine, ask(gemma_gguf, "The capital of France is", n_predict=8))
    assert stats_of(events).n_prompt == 6
    assert "France" in text_of(events)


async def test_an_empty_template_means_none(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    events = await answer(engine, ask(smollm_gguf, "The capital of France is", template=""))
    assert stats_of(events).n_prompt == 5


async def test_a_builtin_template_by_name(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    # Its markers are no tokens of this vocabulary: far more than the 31 of the model's own template.
    assert stats_of(await answer(engine, ask(smollm_gguf, "Hi", template="llama3", n_predict=1))).n_prompt == 50


async def test_a_template_that_does_not_parse(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    with pytest.raises(EngineFailed, match="chat template") as failed:
        await answer(engine, ask(smollm_gguf, template="{{ % }}"))
    assert failed.value.hint is not None


async def test_a_cut_file_is_refused_in_the_engines_words(
    engine: LlamaCppEngine, smollm_gguf: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.gguf"
    with smollm_gguf.open("rb") as file:
        cut.write_bytes(file.read(60_000_000))
    with pytest.raises(EngineFailed, match="corrupted or incomplete") as failed:
        await answer(engine, ask(cut))
    assert failed.value.hint is not None
    assert stats_of(await answer(engine, ask(smollm_gguf, n_predict=1))).n_output == 1


async def test_too_long_a_conversation_is_refused_and_the_model_stays(
    engine: LlamaCppEngine, smollm_gguf: Path
) -> None:
    with pytest.raises(EngineFailed, match="the context holds 1024"):
        await answer(engine, ask(smollm_gguf, "The sea is blue. " * 1000))
    assert not isinstance((await answer(engine, ask(smollm_gguf, n_predict=1)))[0], ModelLoading)


async def test_a_parameter_that_llama_cpp_refuses(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    with pytest.raises(EngineFailed, match="temperature"):
        await answer(engine, ask(smollm_gguf, temperature="hot"))


async def test_unloading_ends_the_worker(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    await answer(engine, ask(smollm_gguf, n_predict=1))
    pid = engine.worker_pid
    assert pid is not None
    await engine.unload(EngineModel("another"))
    assert engine.worker_pid == pid
    await engine.unload(EngineModel(smollm_gguf.stem))
    assert engine.worker_pid is None
    await wait_until_gone(pid)


async def test_status_names_the_version_without_importing_the_engine(engine: LlamaCppEngine) -> None:
    status = await engine.status()
    assert status.usable
    assert status.version
    assert status.version in status.detail
    assert "xllamacpp" not in sys.modules
    assert await engine.list_models() == []
