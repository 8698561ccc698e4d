"""A model as /api/show describes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kdmgr.engines.ollama.checks import mapping, moment, strings, text
from kdmgr.engines.protocol import ParameterValue

_FLOATS = frozenset(
    (
        "temperature", "top_p", "min_p", "typical_p", "tfs_z", "repeat_penalty", "presence_penalty",
        "frequency_penalty", "mirostat_tau", "mirostat_eta",
    )
)  # fmt: skip
_MAX_NUMBER = 1 << 63
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\\"'])|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """The summary that the server keeps of a model."""

    parent_model: str | None
    format: str | None
    family: str | None
    families: tuple[str, ...]
    parameter_size: str | None
    """As text, like "134.52M"."""
    quant: str | None


@dataclass(frozen=True, slots=True)
class ShownModel:
    """What a server tells about a model it has."""

    details: ModelDetails
    model_info: Mapping[str, Any]
    """GGUF keys, as the server sent them; arrays are None."""
    template: str | None
    system: str | None
    parameters: Mapping[str, ParameterValue]
    capabilities: tuple[str, ...]
    """Empty before v0.6.4, which does not send them."""
    modelfile: str | None
    license: str | None
    modified_at: datetime | None
    messages: tuple[tuple[str, str], ...] = ()
    """The conversation that every chat begins with: (role, content)."""
    projector_info: Mapping[str, Any] = field(default_factory=dict)
    """GGUF keys of the projector's file; empty without one."""
    requires: str | None = None
    """The oldest Ollama that can run it; only servers from v0.14 on tell."""


def read_shown(reply: Mapping[str, Any]) -> ShownModel:
    """The reply of /api/show; a field of the wrong type counts as missing."""
    return ShownModel(
        details=read_details(reply.get("details")),
        model_info=mapping(reply.get("model_info")),
        template=text(reply.get("template")),
        system=text(reply.get("system")),
        parameters=read_parameters(text(reply.get("parameters")) or ""),
        capabilities=strings(reply.get("capabilities")),
        modelfile=text(reply.get("modelfile")),
        license=text(reply.get("license")),
        modified_at=moment(reply.get("modified_at")),
        messages=_read_messages(reply.get("messages")),
        projector_info=mapping(reply.get("projector_info")),
        requires=text(reply.get("requires")),
    )


def _read_messages(value: object) -> tuple[tuple[str, str], ...]:
    entries = [mapping(entry) for entry in value] if isinstance(value, list) else []
    return tuple((text(entry.get("role")) or "", text(entry.get("content")) or "") for entry in entries)


def read_details(value: object) -> ModelDetails:
    """The object under "details"."""
    details = mapping(value)
    return ModelDetails(
        parent_model=text(details.get("parent_model")),
        format=text(details.get("format")),
        family=text(details.get("family")),
        families=strings(details.get("families")),
        parameter_size=text(details.get("parameter_size")),
        quant=text(details.get("quantization_level")),
    )


def read_parameters(lines: str) -> dict[str, ParameterValue]:
    """The parameters of `name   value` lines, the values in Go's notation; `stop` collects."""
    found: dict[str, ParameterValue] = {}
    stops: list[str] = []
    for line in lines.split("\n"):
        name, _, rest = line.strip().partition(" ")
        if not name or not rest.strip():
            continue
        value = _read_value(name, rest.strip())
        if name == "stop":
            stops.append(str(value))
        else:
            found[name] = value
    return {**found, "stop": tuple(stops)} if stops else found


def _read_value(name: str, value: str) -> ParameterValue:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return _unquote(value[1:-1])
    if name == "stop":
        return value
    if value in ("true", "false"):
        return value == "true"
    try:
        number = float(value)
    except ValueError:
        return value
    if not abs(number) < _MAX_NUMBER:
        return value
    # The server holds every number as a float, and writes 4096 as such and a million as 1e+06.
    return int(number) if name not in _FLOATS and number.is_integer() else number


def _unquote(quoted: str) -> str:
    """What a Go string literal stands for (strconv.Quote); an escape it would not write stays as it is."""
    return _ESCAPE.sub(_unescape, quoted)


def _unescape(match: re.Match[str]) -> str:
    letter, *numbers = match.groups()
    if letter:
        return _LETTERS.get(letter, letter)
    code = int(next(number for number in numbers if number), 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
