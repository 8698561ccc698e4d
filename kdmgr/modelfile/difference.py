"""Two Modelfiles compared: line by line, and by what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kdmgr.modelfile.commands import Modelfile
from kdmgr.modelfile.compose import write_value
from kdmgr.modelfile.render import render
from kdmgr.modelfile.templates import detect_family

_SINGLE = ("template", "system", "renderer", "parser", "requires", "draft")


@dataclass(frozen=True, slots=True)
class Change:
    """What differs. None is absent; long texts are given whole."""

    what: str
    """"FROM", "PARAMETER top_k", "TEMPLATE" …"""
    before: str | None
    after: str | None

    @property
    def sentence(self) -> str:
        """For people, on one line."""
        if self.before is None:
            return f"{self.what}: added, {_brief(self.after)}"
        if self.after is None:
            return f"{self.what}: removed, it was {_brief(self.before)}"
        return f"{self.what}: {_brief(self.before)} → {_brief(self.after)}"


@dataclass(frozen=True, slots=True)
class Difference:
    """`changes` says what differs in meaning; `lines` is a unified diff of both, written alike."""

    changes: tuple[Change, ...]
    lines: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether both make the same model."""
        return not self.changes


def compare(before: Modelfile, after: Modelfile, names: tuple[str, str] = ("before", "after")) -> Difference:
    """The differences. Order, quotes and comments make none."""
    import difflib

    one, other = (render(modelfile).splitlines() for modelfile in (before, after))
    lines = tuple(difflib.unified_diff(one, other, names[0], names[1], lineterm=""))
    return Difference(tuple(_find_changes(before, after)), lines)


def _find_changes(before: Modelfile, after: Modelfile) -> Iterator[Change]:
    for name in ("from", "adapter"):
        one, other = (_joined(modelfile.values(name)) for modelfile in (before, after))
        yield from _change(name.upper(), one, other)
    for name in sorted({*before.parameters, *after.parameters}):
        one, other = (_parameter(modelfile, name) for modelfile in (before, after))
        yield from _change(f"PARAMETER {name}", one, other)
    for name in _SINGLE:
        yield from _change(name.upper(), before.last(name) or None, after.last(name) or None)
    families = [detect_family(each.template) if each.template else None for each in (before, after)]
    if families[0] and families[1] and families[0] is not families[1]:
        yield Change("template family", families[0].name, families[1].name)
    yield from _change("LICENSE", _joined(before.licenses), _joined(after.licenses))
    turns = [_joined(tuple(f"{role}: {text}" for role, text in each.messages)) for each in (before, after)]
    yield from _change("MESSAGE", *turns)


def _change(what: str, before: str | None, after: str | None) -> Iterator[Change]:
    if before != after:
        yield Change(what, before, after)


def _joined(values: tuple[str, ...]) -> str | None:
    return "\n".join(values) or None


def _parameter(modelfile: Modelfile, name: str) -> str | None:
    value = modelfile.parameters.get(name)
    if value is None:
        return None
    if isinstance(value, tuple):
        return ", ".join(repr(text) for text in sorted(value))
    return write_value(name, value)


def _brief(text: str | None) -> str:
    lines = (text or "").strip().split("\n")
    first = lines[0] if len(lines[0]) <= 60 else f"{lines[0][:59]}…"
    return f"{first} … ({len(lines)} lines)" if len(lines) > 1 else first
