"""What is sent of a conversation, whichever engine it goes to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kdmgr.engines.llamacpp.requests import build_chat
from kdmgr.engines.ollama.chat import chat_body
from kdmgr.engines.protocol import ChatMessage, ChatRequest, EngineModel
from kdmgr.errors import UsageError

Build = Callable[[ChatRequest], dict[str, Any]]
QUESTION = ChatMessage("user", "hello")
ASKED = {"role": "user", "content": "hello"}


def for_llamacpp(request: ChatRequest) -> dict[str, Any]:
    return build_chat(request, 4096)


both = pytest.mark.parametrize("build", [for_llamacpp, chat_body])


@both
def test_the_model_system_prompt_comes_first(build: Build) -> None:
    request = ChatRequest(EngineModel("m", system="Be brief."), (QUESTION,))
    assert build(request)["messages"] == [{"role": "system", "content": "Be brief."}, ASKED]


@both
def test_a_system_message_of_the_conversation_replaces_it(build: Build) -> None:
    request = ChatRequest(EngineModel("m", system="Be brief."), (ChatMessage("system", "Be long."), QUESTION))
    assert build(request)["messages"] == [{"role": "system", "content": "Be long."}, ASKED]


@both
def test_without_one_nothing_is_put_before(build: Build) -> None:
    assert build(ChatRequest(EngineModel("m"), (QUESTION,)))["messages"] == [ASKED]


@both
def test_half_surrogates_never_reach_the_wire(build: Build) -> None:
    request = ChatRequest(EngineModel("m"), (ChatMessage("user", "a\udce9b"),))
    assert build(request)["messages"] == [{"role": "user", "content": "a?b"}]


@both
def test_numbers_that_json_cannot_write_are_refused(build: Build) -> None:
    request = ChatRequest(EngineModel("m"), (QUESTION,), parameters={"temperature": float("nan")})
    with pytest.raises(UsageError, match="temperature is nan"):
        build(request)


@both
def test_stops_are_always_a_list(build: Build) -> None:
    def stops(value: str | tuple[str, ...]) -> object:
        body = build(ChatRequest(EngineModel("m"), (QUESTION,), parameters={"stop": value}))
        return body.get("options", body)["stop"]

    assert stops("###") == ["###"]
    assert stops(("a", "b\udce9")) == ["a", "b?"]
