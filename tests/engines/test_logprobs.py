"""Probabilities of tokens: asked for only when wanted, read with care, the same from both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.engines.llamacpp.engine import LlamaCppEngine
from kdmgr.engines.llamacpp.requests import build_chat, build_completion
from kdmgr.engines.logprobs import read_tokens
from kdmgr.engines.ollama.chat import chat_body, read_delta
from kdmgr.engines.protocol import ChatDelta, ChatMessage, ChatRequest, EngineModel, WrittenToken

ASKED = (ChatMessage("user", "Say hi."),)


def request(n_top: int) -> ChatRequest:
    return ChatRequest(EngineModel("m"), ASKED, n_top=n_top)


def test_only_who_wants_them_asks_for_them() -> None:
    for body in (chat_body(request(0)), build_chat(request(0), 512), build_completion(request(0), 512)):
        assert "logprobs" not in body and "top_logprobs" not in body
    assert {"logprobs": True, "top_logprobs": 5}.items() <= chat_body(request(5)).items()
    assert chat_body(request(50))["top_logprobs"] == 20
    assert {"logprobs": True, "top_logprobs": 5}.items() <= build_chat(request(5), 512).items()
    assert build_completion(request(5), 512)["logprobs"] == 5


def test_a_line_of_the_server_brings_its_tokens() -> None:
    top = [{"token": " sea", "logprob": -0.25, "bytes": [32, 115, 101, 97]}, {"token": " Sea", "logprob": -2.5}]
    line = {"message": {"content": " sea"}, "logprobs": [{**top[0], "top_logprobs": top}]}
    delta = read_delta(line)
    assert delta is not None and delta.n_tokens == 1
    (token,) = delta.tokens
    assert (token.chosen.text, token.chosen.logprob, token.chosen.number) == (" sea", -0.25, None)
    assert [(chance.text, chance.logprob) for chance in token.top] == [(" sea", -0.25), (" Sea", -2.5)]


def test_half_a_character_is_no_empty_text() -> None:
    (token,) = read_tokens([{"id": 7, "token": "", "bytes": [240, 159], "logprob": -1.0, "top_logprobs": []}])
    assert (token.chosen.text, token.chosen.number, token.top) == ("\ufffd", 7, ())


@pytest.mark.parametrize(
    "value",
    [
        None,
        "x",
        {},
        [None],
        [{}],
        [{"token": "a"}],
        [{"token": "a", "logprob": "-1"}],
        [{"token": "a", "logprob": True}],
        [{"token": "a", "logprob": float("nan")}],
        [{"token": "a", "logprob": float("-inf")}],
    ],
)
def test_what_is_no_probability_is_left_out(value: object) -> None:
    assert read_tokens(value) == ()


async def test_the_embedded_engine_tells_what_else_it_could_have_written(smollm_gguf: Path) -> None:
    engine = LlamaCppEngine()
    wanted = ChatRequest(
        EngineModel("smol", smollm_gguf),
        (ChatMessage("user", "Tell me of the sea."),),
        n_ctx=512,
        parameters={"num_predict": 6, "temperature": 0.0},
        n_top=4,
    )
    try:
        deltas = [event async for event in engine.chat(wanted) if isinstance(event, ChatDelta)]
    finally:
        await engine.close()
    tokens: list[WrittenToken] = [token for delta in deltas for token in delta.tokens]
    assert len(tokens) == 6
    assert "".join(token.chosen.text for token in tokens) == "".join(delta.text for delta in deltas)
    for token in tokens:
        assert len(token.top) == 4 and token.top[0] == token.chosen, "without chance the likeliest is chosen"
        logprobs = [chance.logprob for chance in token.top]
        assert logprobs == sorted(logprobs, reverse=True) and logprobs[0] <= 0
