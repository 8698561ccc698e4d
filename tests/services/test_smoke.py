"""Trying a model: the same, another, or odd."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from kdmgr.engines.protocol import ChatDelta, ChatEvent, ChatRequest, ChatStats, EngineModel
from kdmgr.errors import EngineFailed
from kdmgr.services.smoke import CHAT_PROMPT, TEXT_PROMPT, find_hints, try_model

STATS = ChatStats(10, None, 8, 0.1, 0.2, 0.0, 0.1, 0.4, 4096, "stop")


class Canned:
    """An engine that always says the same."""

    name = "canned"

    def __init__(self, text: str, fails: bool = False) -> None:
        self.text = text
        self.fails = fails
        self.requests: list[ChatRequest] = []
        self.closed = False

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        self.requests.append(request)
        if self.fails:
            raise EngineFailed("no memory")
        yield ChatDelta(self.text)
        yield STATS

    async def close(self) -> None:
        self.closed = True


async def tried(first: str, second: str, **more: Any) -> tuple[Any, Canned]:
    other = Canned(second, **more)
    result = await try_model(Canned(first), "m:1b", (other, EngineModel("m")), chats=True)  # type: ignore[arg-type]
    return result, other


async def test_equal_answers_are_the_same_but_for_the_blank_in_front() -> None:
    result, other = await tried(" Paris.", "Paris.")
    assert (result.comparison, result.first_difference, result.hints) == ("same", None, ())
    assert (result.decode_tok_s, result.n_ctx) == (pytest.approx(40), 4096)
    assert other.closed
    request = other.requests[0]
    assert request.messages[0].content == CHAT_PROMPT
    assert (request.parameters["temperature"], request.parameters["seed"]) == (0.0, 0)


async def test_where_answers_part_is_told() -> None:
    result, _ = await tried("Paris is", "Paris was")
    assert (result.comparison, result.first_difference, result.other) == ("differs", 6, "Paris was")
    assert (await tried("Paris", "Paris is it"))[0].first_difference == 5


async def test_a_failure_of_the_other_engine_is_only_said() -> None:
    result, other = await tried("Paris", "", fails=True)
    assert result.comparison == "not compared: no memory"
    assert other.closed


async def test_a_model_without_a_template_completes_a_text() -> None:
    engine = Canned("Paris")
    result = await try_model(engine, "m", "why not", chats=False)  # type: ignore[arg-type]
    assert engine.requests[0].messages[0].content == result.prompt == TEXT_PROMPT
    assert result.comparison == "not compared: why not"


async def test_nothing_a_terminal_obeys_is_kept() -> None:
    result, _ = await tried("a\x1b[2Jb", "a\x1b[2Jc")
    assert "\x1b" not in result.answer + (result.other or "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("Paris<|im_end|>\n<|im_start|>user", "chat template"),
        ("the the the the the the the", "repeated"),
        ("\ufffd\ufffd\x00 abc", "hardly text"),
        ("!@#$%^&*()!@#$%^&*()", "hardly text"),
    ],
)
def test_what_looks_odd_is_hinted_at(text: str, words: str) -> None:
    assert any(words in hint for hint in find_hints(text))


@pytest.mark.parametrize(
    "text", ["Paris.", "The capital of France is Paris.", "法国的首都是巴黎。", "def f(x): return x"]
)
def test_what_is_text_is_not(text: str) -> None:
    assert find_hints(text) == ()
