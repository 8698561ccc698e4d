"""The settings of a chat as texts to edit, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kdmgr.errors import UsageError
from kdmgr.modelfile.commands import ModelfileError
from kdmgr.modelfile.parameters import read_value
from kdmgr.services.chatting import ChatSettings

if TYPE_CHECKING:
    from kdmgr.engines.protocol import ParameterValue

FIELDS = {
    "temperature": "0 always takes the likeliest token",
    "top_p": "the likeliest tokens up to this share",
    "top_k": "only so many of the likeliest tokens",
    "seed": "the same seed gives the same answer",
    "num_predict": "stop after this many tokens",
    "stop": "texts that end the answer, parted by |",
}
"""The parameters to edit, under Ollama's names, and what each does."""
_SEPARATOR = "|"
_LEAST = {"temperature": 0.0, "top_p": 0.0, "top_k": 0}


def write_fields(settings: ChatSettings) -> dict[str, str]:
    """A text for each parameter; "" for what is left to the model."""
    return {name: _write((settings.parameters or {}).get(name)) for name in FIELDS}


def read_fields(texts: Mapping[str, str], *, system: str, think: bool | None, before: ChatSettings) -> ChatSettings:
    """The settings that the texts say; parameters that are no field stay. `UsageError` says which text is none."""
    parameters = {name: value for name, value in (before.parameters or {}).items() if name not in FIELDS}
    for name, text in texts.items():
        if text.strip():
            parameters[name] = _read(name, text)
    return ChatSettings(system.strip() or None, think, parameters)


def _read(name: str, text: str) -> ParameterValue:
    if name == "stop":
        return tuple(stop.strip() for stop in text.split(_SEPARATOR) if stop.strip())
    try:
        value = read_value(name, text.strip())
    except ModelfileError as error:
        # It is no Modelfile that is read here.
        raise UsageError(f"{name} {text.strip()!r} is no such value", hint=error.hint) from error
    least = _LEAST.get(name)
    if least is not None and isinstance(value, int | float) and value < least:
        raise UsageError(f"{name} {text} is below {least:g}", hint="leave it empty for the model's own")
    return value


def _write(value: ParameterValue | None) -> str:
    if value is None:
        return ""
    return f" {_SEPARATOR} ".join(value) if isinstance(value, tuple) else str(value)
