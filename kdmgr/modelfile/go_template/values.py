"""Go's notions of truth, equality and printing, for the values that templates are given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


class Record(dict[str, Any]):
    """A struct: only its own fields can be asked for."""


class JsonList(list[Any]):
    """A list that prints as JSON, like the tools."""


class NilList(list[Any]):
    """An empty list that is null in JSON."""


class JsonMap(dict[str, Any]):
    """A map that prints as JSON, like the arguments of a tool's call."""


class Nothing:
    """No value at all, which Go prints as `<no value>`."""

    def __bool__(self) -> bool:
        return False


NOTHING = Nothing()


def is_true(value: object) -> bool:
    """Neither zero nor empty; a struct is always true."""
    return True if isinstance(value, Record) else bool(value)


def show(value: object) -> str:
    """As `{{ value }}` prints it."""
    if isinstance(value, JsonList) and not value:
        return "null"
    if isinstance(value, JsonList | JsonMap):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if value is None or isinstance(value, Nothing):
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Record):
        return "{" + " ".join(map(_show_inner, value.values())) + "}"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{_show_inner(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + " ".join(map(_show_inner, value)) + "]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _show_inner(value: object) -> str:
    return "<nil>" if value is None else show(value)
