"""Requests in llama.cpp's terms."""

from __future__ import annotations

from kdmgr.engines.conversation import encodable, merge_parameters, read_count, write_messages
from kdmgr.engines.protocol import ChatMessage, ChatRequest, ParameterValue
from kdmgr.errors import UsageError

# Ollama's name → llama.cpp's (tools/server/README.md).
_SAMPLING = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "repeat_penalty": "repeat_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "num_keep": "n_keep",
}
_ALWAYS: dict[str, object] = {
    "stream": True,
    "timings_per_token": True,
    "stream_options": {"include_usage": True},
    # A sign of life after each batch of the prompt, at which it can be cancelled.
    "return_progress": True,
}


def build_chat(request: ChatRequest, n_ctx: int) -> dict[str, object]:
    """The body of a chat completion."""
    body = {"messages": write_messages(request, _refuse_images), **_ALWAYS, **_sampling(request, n_ctx)}
    if request.n_top:
        body |= {"logprobs": True, "top_logprobs": request.n_top}
    if request.think is not None:
        body["chat_template_kwargs"] = {"enable_thinking": request.think}
    return body


def build_completion(request: ChatRequest, n_ctx: int) -> dict[str, object]:
    """The body of a completion without any template: the text of the conversation is the prompt."""
    body = {"prompt": encodable(join_texts(request.messages)), **_ALWAYS, **_sampling(request, n_ctx)}
    return body | {"logprobs": request.n_top} if request.n_top else body


def _refuse_images(message: dict[str, object], images: tuple[bytes, ...]) -> None:
    raise UsageError(
        "the embedded engine does not take pictures", hint="run the model through Ollama: it reads the projector"
    )


def join_texts(messages: tuple[ChatMessage, ...]) -> str:
    """What Ollama's template `{{ .Prompt }}` makes of a conversation (template/template.go, Execute).

    Questions and answers one after the other, nothing between them; system prompts are dropped, and of
    consecutive messages by the same role the texts are parted by an empty line.
    """
    parts: list[str] = []
    before = ""
    for message in messages:
        if message.role == before and message.role != "system":
            parts.append("\n\n")
        before = message.role
        if message.role != "system":
            parts.append(message.content)
    return "".join(parts)


def _sampling(request: ChatRequest, n_ctx: int) -> dict[str, object]:
    parameters = merge_parameters(request)
    body: dict[str, object] = {theirs: parameters[ours] for ours, theirs in _SAMPLING.items() if ours in parameters}
    n_predict = read_count(parameters, "num_predict")
    # Ollama: 0, -1 and -2 all mean "until the model stops or the context is full".
    body["n_predict"] = n_predict if n_predict is not None and n_predict > 0 else -1
    repeat_last_n = read_count(parameters, "repeat_last_n")
    if repeat_last_n is not None:
        body["repeat_last_n"] = n_ctx if repeat_last_n < 0 else repeat_last_n
    seed = read_count(parameters, "seed")
    if seed is not None and seed >= 0:
        body["seed"] = seed & 0xFFFFFFFF
    if stop := _stops(parameters.get("stop")):
        body["stop"] = stop
    return body


def _stops(value: ParameterValue | None) -> list[str]:
    """As a list; llama.cpp refuses an empty stop."""
    texts = [value] if isinstance(value, str) else value if isinstance(value, tuple) else []
    return [encodable(text) for text in texts if text]
