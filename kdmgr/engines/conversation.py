"""What both engines do to a request before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from kdmgr.engines.protocol import ChatMessage, ChatRequest, ParameterValue
from kdmgr.errors import UsageError


def open_with_system(request: ChatRequest) -> tuple[ChatMessage, ...]:
    """The messages, the model's system prompt before them unless they bring their own (Ollama's rule)."""
    messages, system = request.messages, request.model.system
    if not system or (messages and messages[0].role == "system"):
        return messages
    return (ChatMessage("system", system), *messages)


def write_messages(
    request: ChatRequest, write_images: Callable[[dict[str, Any], tuple[bytes, ...]], None]
) -> list[dict[str, Any]]:
    """The conversation as JSON objects, the system prompt first; `write_images` adds images to a message's object."""
    written: list[dict[str, Any]] = []
    for message in open_with_system(request):
        written.append({"role": message.role, "content": encodable(message.content)})
        if message.images:
            write_images(written[-1], message.images)
    return written


def merge_parameters(request: ChatRequest) -> dict[str, ParameterValue]:
    """The model's parameters under the request's; `UsageError` for a number that JSON cannot write."""
    merged = {**request.model.parameters, **request.parameters}
    for name, value in merged.items():
        if isinstance(value, float) and not isfinite(value):
            raise UsageError(f"{name} is {value}", hint=f"give {name} a finite number")
    return merged


def read_count(parameters: Mapping[str, ParameterValue], name: str) -> int | None:
    """An integer parameter; None when it is not set. `UsageError` for anything else under that name."""
    value = parameters.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name} is {value!r}, not a whole number", hint=f"like {name} 4096")
    return value


def encodable(text: str) -> str:
    """`text` without what UTF-8 cannot hold: half surrogates, as a terminal may paste them."""
    return text.encode("utf-8", "replace").decode("utf-8")
