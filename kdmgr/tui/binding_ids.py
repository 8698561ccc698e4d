"""Names for what keys do, by which users give them keys of their own (`[keys]` in config.toml)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from textual.binding import Binding, BindingType


def identify(part: str, bindings: Iterable[Binding]) -> list[BindingType]:
    """`bindings` with ids: the part of the app and the action, unless one has its own."""
    return [binding if binding.id else replace(binding, id=f"{part}.{_name(binding.action)}") for binding in bindings]


def _name(action: str) -> str:
    """`app.help` and `help('x')` are both called `help`."""
    return action.partition("(")[0].rpartition(".")[2]
