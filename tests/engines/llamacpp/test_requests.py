from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kdmgr.engines.llamacpp.requests import build_chat, build_completion, join_texts
from kdmgr.engines.llamacpp.settings import plan_load
from kdmgr.engines.protocol import ChatMessage, ChatRequest, EngineModel, ParameterValue
from kdmgr.errors import NotFound, UsageError

N_CTX = 4096
HELLO = (ChatMessage("user", "hello"),)


def request(
    parameters: Mapping[str, ParameterValue] | None = None,
    *,
    messages: tuple[ChatMessage, ...] = HELLO,
    model_parameters: Mapping[str, ParameterValue] | None = None,
    **model: Any,
) -> ChatRequest:
    asked = EngineModel("m", parameters=model_parameters or {}, **model)
    return ChatRequest(asked, messages, parameters=parameters or {})


def test_names_are_translated_and_the_request_wins() -> None:
    body = build_chat(
        request(
            {"temperature": 0.5, "num_predict": 7, "stop": ("a", "", "b"), "seed": 3, "num_keep": 4},
            model_parameters={"temperature": 0.9, "top_k": 10, "min_p": 0.1, "repeat_penalty": 1.2},
        ),
        N_CTX,
    )
    sampled = {name: body[name] for name in ("temperature", "n_predict", "stop", "seed", "n_keep", "top_k", "min_p")}
    assert sampled == {
        "temperature": 0.5, "n_predict": 7, "stop": ["a", "b"], "seed": 3, "n_keep": 4, "top_k": 10, "min_p": 0.1,
    }  # fmt: skip
    assert body["repeat_penalty"] == 1.2
    assert "num_predict" not in body


def test_what_llama_cpp_does_not_take_is_not_sent() -> None:
    body = build_chat(request({"num_ctx": 9, "num_thread": 2, "use_mmap": False, "draft_num_predict": 1}), N_CTX)
    assert set(body) == {
        "messages", "stream", "timings_per_token", "stream_options", "return_progress", "n_predict",
    }  # fmt: skip


@pytest.mark.parametrize(("asked", "sent"), [(-2, -1), (-1, -1), (0, -1), (12, 12)])
def test_an_unlimited_answer_is_minus_one(asked: int, sent: int) -> None:
    assert build_chat(request({"num_predict": asked}), N_CTX)["n_predict"] == sent


@pytest.mark.parametrize(("asked", "sent"), [(-1, N_CTX), (0, 0), (64, 64)])
def test_repeating_is_penalised_over_the_context_for_minus_one(asked: int, sent: int) -> None:
    assert build_chat(request({"repeat_last_n": asked}), N_CTX)["repeat_last_n"] == sent


def test_a_negative_seed_is_left_to_chance() -> None:
    assert "seed" not in build_chat(request({"seed": -1}), N_CTX)


@pytest.mark.parametrize("think", [None, True, False])
def test_thinking_is_mentioned_only_when_asked(think: bool | None) -> None:
    body = build_chat(ChatRequest(EngineModel("m"), HELLO, think=think), N_CTX)
    assert body.get("chat_template_kwargs") == (None if think is None else {"enable_thinking": think})


def test_a_completion_takes_the_text_of_the_conversation() -> None:
    messages = (
        ChatMessage("system", "dropped"),
        ChatMessage("user", "one "),
        ChatMessage("assistant", "two "),
        ChatMessage("user", "three"),
        ChatMessage("user", "four"),
    )
    assert join_texts(messages) == "one two three\n\nfour"
    body = build_completion(request({"num_predict": 3}, messages=messages), N_CTX)
    assert (body["prompt"], body["n_predict"]) == ("one two three\n\nfour", 3)
    assert "messages" not in body


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.touch()
    return path


def test_load_settings_from_the_request(gguf: Path) -> None:
    model = EngineModel("m", gguf, chat_template="chatml", parameters={"num_ctx": 512, "num_gpu": 0, "num_batch": 64})
    settings = plan_load(ChatRequest(model, HELLO, cache_type="q8_0"), n_cores=4)
    assert (settings.path, settings.n_ctx, settings.cache_type) == (str(gguf), 512, "Q8_0")
    assert (settings.n_threads, settings.n_threads_batch) == (3, 4)
    assert (settings.n_gpu_layers, settings.n_batch, settings.use_mmap) == (0, 64, True)
    assert plan_load(ChatRequest(model, HELLO, n_ctx=1024), n_cores=4).n_ctx == 1024


@pytest.mark.parametrize(
    ("template", "use_jinja"), [(None, True), ("", True), ("llama3", False), ("phi-3.5", False), ("{{ x }}", True)]
)
def test_a_template_is_a_name_or_a_text(gguf: Path, template: str | None, use_jinja: bool) -> None:
    settings = plan_load(ChatRequest(EngineModel("m", gguf, chat_template=template), HELLO), n_cores=1)
    assert (settings.chat_template, settings.use_jinja) == (template or "", use_jinja)


@pytest.mark.parametrize("value", ["big", 1.5, True])
def test_a_count_of_the_wrong_type_is_refused(gguf: Path, value: ParameterValue) -> None:
    model = EngineModel("m", gguf, parameters={"num_ctx": value})
    with pytest.raises(UsageError, match="num_ctx is"):
        plan_load(ChatRequest(model, HELLO), n_cores=1)


def test_an_unknown_cache_type_is_refused(gguf: Path) -> None:
    with pytest.raises(UsageError, match="q9"):
        plan_load(ChatRequest(EngineModel("m", gguf), HELLO, cache_type="q9"), n_cores=1)


def test_a_model_without_a_file_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file of phi3"):
        plan_load(ChatRequest(EngineModel("phi3"), HELLO), n_cores=1)
    with pytest.raises(NotFound, match="no file at"):
        plan_load(ChatRequest(EngineModel("phi3", tmp_path), HELLO), n_cores=1)
