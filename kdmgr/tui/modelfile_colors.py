"""Which words of a Modelfile are what, line by line, for colours. Pure, and forgiving: it is run while one types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from kdmgr.modelfile.commands import COMMANDS, ROLES

_COMMAND = re.compile(r"(\s*)([A-Za-z]+)([ \t]+|$)")
_WORD = re.compile(r"\S+")
_ACTION = re.compile(r"\{\{.*?(?:\}\}|$)")
_QUOTES = '"""'


class Span(NamedTuple):
    """Characters `start` to `end` of a line."""

    start: int
    end: int
    kind: str
    """"command", "name", "value", "text", "action", "comment" or "bad"."""


def color_lines(text: str) -> list[list[Span]]:
    """The spans of each line."""
    found: list[list[Span]] = []
    inside = False
    for line in text.split("\n"):
        if inside:
            inside = not line.rstrip().endswith(_QUOTES)
            found.append(list(_text_spans(line, 0)))
        else:
            spans, inside = _top_level(line)
            found.append(spans)
    return found


def _top_level(line: str) -> tuple[list[Span], bool]:
    """The spans of a line outside of quotes, and whether a quote is open at its end."""
    if line.lstrip().startswith("#"):
        return [Span(0, len(line), "comment")], False
    match = _COMMAND.match(line)
    if match is None:
        return ([Span(0, len(line), "bad")] if line.strip() else []), False
    name = match[2].lower()
    spans = [Span(match.start(2), match.end(2), "command" if name in COMMANDS else "bad")]
    at = match.end()
    if name in ("parameter", "message") and (word := _WORD.match(line, at)):
        is_known = name == "parameter" or word[0] in ROLES
        spans.append(Span(word.start(), word.end(), "name" if is_known else "bad"))
        at = word.end()
    rest = line[at:].strip()
    opens = rest.startswith(_QUOTES) and not (len(rest) >= 6 and rest.endswith(_QUOTES))
    is_text = name in ("template", "system", "license", "message") or rest.startswith('"')
    spans += _text_spans(line, at) if is_text else [Span(at, len(line), "value")]
    return spans, opens


def _text_spans(line: str, at: int) -> Iterator[Span]:
    yield Span(at, len(line), "text")
    for match in _ACTION.finditer(line, at):
        yield Span(match.start(), match.end(), "action")
