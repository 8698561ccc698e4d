"""The server's replies, each value checked for its type before it is believed.

What must be there raises `EngineFailed` when it is not; what may be missing is None. Shapes: api/types.go.
"""

from __future__ import annotations

import json
from typing import Any

from kdmgr.engines.ollama.checks import count, mapping, moment, text
from kdmgr.engines.protocol import EngineListing, LoadedModel
from kdmgr.errors import EngineFailed


def read_object(line: bytes) -> dict[str, Any]:
    """The JSON object that `line` is."""
    try:
        value = json.loads(line)
    # Digits or brackets without end are refused by the parser in its own ways.
    except (ValueError, RecursionError) as error:
        raise unexpected("it is not JSON") from error
    if not isinstance(value, dict):
        raise unexpected("it is not a JSON object")
    return value


def read_listing(item: object) -> EngineListing:
    """One model of /api/tags."""
    entry = mapping(item)
    name, size = _name(entry), count(entry.get("size"))
    if size is None:
        raise unexpected(f"the size of {name} is missing")
    details = mapping(entry.get("details"))
    return EngineListing(
        name=name,
        size=size,
        digest=text(entry.get("digest")) or "",
        modified_at=moment(entry.get("modified_at")),
        family=text(details.get("family")),
        parameter_size=text(details.get("parameter_size")),
        quant=text(details.get("quantization_level")),
        is_remote=bool(text(entry.get("remote_model")) or text(entry.get("remote_host"))),
    )


def read_loaded(item: object) -> LoadedModel:
    """One model of /api/ps."""
    entry = mapping(item)
    return LoadedModel(
        name=_name(entry),
        size=count(entry.get("size")),
        size_vram=count(entry.get("size_vram")),
        n_ctx=count(entry.get("context_length")) or None,
        expires_at=moment(entry.get("expires_at")),
    )


def read_models(reply: dict[str, Any]) -> list[Any]:
    """The list under "models"; Go writes an empty one as null."""
    models = reply.get("models")
    if models is None and "models" in reply:
        return []
    if not isinstance(models, list):
        raise unexpected("it holds no list of models")
    return models


def unexpected(why: str) -> EngineFailed:
    """The failure of a reply that no Ollama server would give."""
    return EngineFailed(
        f"the server's reply cannot be understood: {why}",
        hint="is it an Ollama server? look at OLLAMA_HOST",
        reason="not-ollama",
    )


def _name(entry: dict[str, Any]) -> str:
    name = text(entry.get("name")) or text(entry.get("model"))
    if name is None:
        raise unexpected("a model has no name")
    return name
