"""The functions of templates: Go's own, and Ollama's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kdmgr.modelfile.go_template.values import NOTHING, NilList, Nothing, is_true, show

ANY_DAY = "2025-01-31"
"""What `currentDate` prints here: a rendering says nothing of today."""
_VERB = re.compile(r"%([+\-# 0]*)(\d*)(?:\.(\d+))?([a-zA-Z%])")


class CallFailed(Exception):
    """A function that cannot take its arguments."""


def call(name: str, values: Sequence[Any]) -> Any:
    """The value of a function. `and` and `or` are evaluated by the runner, argument by argument."""
    function = _FUNCTIONS.get(name)
    if function is None:
        raise CallFailed(f"the function {name} is not known here")
    try:
        return function(*values)
    except (TypeError, IndexError, KeyError, ValueError) as error:
        raise CallFailed(f"{name} cannot take these arguments") from error


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise CallFailed("eq needs two arguments")
    return any(_same(first, other) for other in others)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Nothing) or one is None or isinstance(other, Nothing) or other is None:
        return (isinstance(one, Nothing) or one is None) and (isinstance(other, Nothing) or other is None)
    kinds = [_kind(value) for value in (one, other)]
    if kinds[0] != kinds[1] or kinds[0] == "other":
        raise CallFailed("incompatible types for comparison")
    return bool(one == other)


def _kind(value: Any) -> str:
    for kind, types in (("bool", bool), ("int", int), ("float", float), ("string", str)):
        if isinstance(value, types):
            return kind
    return "other"


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    def ordered(one: Any, other: Any) -> bool:
        if _kind(one) != _kind(other) or _kind(one) in ("bool", "other"):
            raise CallFailed("incompatible types for comparison")
        return compare(one, other)

    return ordered


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Sequence | Mapping):
        return len(value)
    raise CallFailed("len of a value that has no length")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            if not isinstance(key, str):
                raise CallFailed(f"no key of a map: {key!r:.40}")
            value = value.get(key, NOTHING)
        elif isinstance(value, Sequence) and isinstance(key, int) and 0 <= key < len(value):
            value = value.encode()[key] if isinstance(value, str) else value[key]
        else:
            raise CallFailed(f"index out of range: {key}")
    return value


def _slice(value: Any, *bounds: int) -> Any:
    if not isinstance(value, Sequence):
        raise CallFailed("slice of what is no list")
    start = bounds[0] if bounds else 0
    end = bounds[1] if len(bounds) > 1 else len(value)
    if not 0 <= start <= end <= len(value):
        raise CallFailed("slice out of range")
    return value[start:end]


def _format(pattern: str, *values: Any) -> str:
    rest = list(values)

    def one(match: re.Match[str]) -> str:
        flags, width, _, verb = match.groups()
        if verb == "%":
            return "%"
        if not rest:
            return f"%!{verb}(MISSING)"
        value = rest.pop(0)
        text = json.dumps(value, ensure_ascii=False) if verb == "q" else show(value)
        return text.ljust(int(width)) if width and "-" in flags else text.rjust(int(width or 0))

    return _VERB.sub(one, pattern)


def _join(*values: Any) -> str:
    """Go's Sprint: blanks between operands when neither is a string."""
    text = ""
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            text += " "
        text += show(value)
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, NilList | Nothing):
        return None
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _json(value: Any) -> str:
    text = json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False)
    return text.translate({ord(char): f"\\u{ord(char):04x}" for char in "<>&"})


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "not": lambda value: not is_true(value),
    "len": _length,
    "index": _index,
    "slice": _slice,
    "eq": _equal,
    "ne": lambda one, other: not _same(one, other),
    "lt": _ordered(lambda one, other: one < other),
    "le": _ordered(lambda one, other: one <= other),
    "gt": _ordered(lambda one, other: one > other),
    "ge": _ordered(lambda one, other: one >= other),
    "print": _join,
    "println": lambda *values: " ".join(map(show, values)) + "\n",
    "printf": _format,
    "json": _json,
    "currentDate": lambda *_: ANY_DAY,
    "yesterdayDate": lambda *_: ANY_DAY,
    "toTypeScriptType": lambda _: "any",
}
