"""One answer over /api/chat."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from kdmgr.engines.conversation import encodable, merge_parameters, write_messages
from kdmgr.engines.logprobs import read_tokens
from kdmgr.engines.ollama.checks import count, mapping, seconds, text
from kdmgr.engines.protocol import ChatDelta, ChatStats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdmgr.engines.protocol import ChatRequest, ParameterValue

MOST_TOP = 20
"""More are refused (server/routes.go)."""


def chat_body(request: ChatRequest) -> dict[str, Any]:
    """The JSON to send.

    The server puts in the model's own SYSTEM and MESSAGE lines itself; `system` goes along only where one is given.
    `cache_type` is not sent: only the server's environment sets it.
    """
    body: dict[str, Any] = {
        "model": request.model.name,
        "messages": write_messages(request, _add_images),
        "stream": True,
        "options": _options(request),
    }
    if request.think is not None:
        body["think"] = request.think
    if request.n_top:
        # Servers before 0.12.11 pass over them.
        body |= {"logprobs": True, "top_logprobs": min(request.n_top, MOST_TOP)}
    return body


def read_delta(reply: Mapping[str, Any]) -> ChatDelta | None:
    """The piece of an answer in one line; None for a line without any.

    A line is not a token; where the server sends log probabilities, it sends one for each token.
    """
    message = mapping(reply.get("message"))
    content, thinking = text(message.get("content")) or "", text(message.get("thinking")) or ""
    logprobs = reply.get("logprobs")
    n_tokens = len(logprobs) if isinstance(logprobs, list) and logprobs else None
    if not (content or thinking or n_tokens):
        return None
    return ChatDelta(content, thinking, n_tokens, read_tokens(logprobs))


def read_stats(reply: Mapping[str, Any], *, ttft_s: float | None, n_ctx: int | None) -> ChatStats:
    """The last line's counts and durations. Ollama leaves out zeros, so what is absent is not known."""
    return ChatStats(
        n_prompt=count(reply.get("prompt_eval_count")),
        n_cached=None,
        n_output=count(reply.get("eval_count")),
        prompt_s=seconds(reply.get("prompt_eval_duration")),
        decode_s=seconds(reply.get("eval_duration")),
        load_s=seconds(reply.get("load_duration")),
        ttft_s=ttft_s,
        total_s=seconds(reply.get("total_duration")),
        n_ctx=n_ctx,
        stop_reason="length" if reply.get("done_reason") == "length" else "stop",
    )


def _add_images(message: dict[str, Any], images: tuple[bytes, ...]) -> None:
    message["images"] = [b64encode(image).decode() for image in images]


def _options(request: ChatRequest) -> dict[str, Any]:
    options = {name: _option(name, value) for name, value in merge_parameters(request).items()}
    if request.n_ctx is not None:
        options["num_ctx"] = request.n_ctx
    return options


def _option(name: str, value: ParameterValue) -> object:
    """A value as JSON takes it; the server accepts `stop` only as a list."""
    if isinstance(value, tuple):
        return [encodable(text) for text in value]
    return [encodable(value)] if name == "stop" and isinstance(value, str) else value
