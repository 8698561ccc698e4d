"""A template's text, cut into texts and the words of its actions."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

from kdmgr.modelfile.go_template.nodes import TemplateError

_WORD = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<char>'(?:[^'\\\n]|\\.)+')
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))
    |(?P<path>\$?(?:\w+)?(?:\.[^\W\d]\w*)+|\$\w*|\.(?![\w]))
    |(?P<name>[^\W\d]\w*)
    |(?P<mark>:=|=|\||\(|\)|,)""",
    re.VERBOSE,
)
_SPACES = " \t\r\n"
_AFTER_NAME = (*_SPACES, ".", ",", "|", ":", "(", ")", "}}")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of an action, or a text between actions (kind "text")."""

    kind: str
    text: str
    line: int
    spaced: bool = False
    """Whether a blank stands before it."""


def split_template(source: str) -> list[Word | list[Word]]:
    """Texts as words, actions as lists of words; blanks trimmed where `{{-` and `-}}` say so."""
    parts: list[Word | list[Word]] = []
    lines = Lines(source)
    at, trims = 0, False
    while at <= len(source):
        start = source.find("{{", at)
        text = source[at:] if start < 0 else source[at:start]
        if trims:
            text = text.lstrip(_SPACES)
        if start < 0:
            parts.append(Word("text", text, 0))
            break
        trims_before = source[start + 2 : start + 3] == "-" and source[start + 3 : start + 4] in tuple(_SPACES)
        parts.append(Word("text", text.rstrip(_SPACES) if trims_before else text, 0))
        words, at, trims = _split_action(source, lines, start, start + (3 if trims_before else 2))
        if words is not None:
            parts.append(words)
    return parts


class Lines:
    """The lines of a text, by position."""

    def __init__(self, source: str) -> None:
        self._ends = [match.start() for match in re.finditer("\n", source)]

    def at(self, position: int) -> int:
        """The line of a position, from 1."""
        return bisect_left(self._ends, position) + 1


def _split_action(source: str, lines: Lines, opened: int, at: int) -> tuple[list[Word] | None, int, bool]:
    """The words up to `}}`, where the text goes on, and whether its blanks are trimmed; None for a comment."""
    line = lines.at(opened)
    if (comment := re.compile(r"\s*/\*").match(source, at)) and (source[at] in _SPACES or source[at] == "/"):
        closed = source.find("*/", comment.end())
        end = re.compile(r"(\s-)?}}").match(source, closed + 2) if closed >= 0 else None
        if end is None:
            raise TemplateError("a comment is not closed" if closed < 0 else "a comment ends before its }}", line)
        return None, end.end(), bool(end[1])
    words: list[Word] = []
    spaced = False
    while True:
        if source.startswith("}}", at):
            return words, at + 2, False
        if spaced and source.startswith("-}}", at):
            return words, at + 3, True
        match = _WORD.match(source, at)
        if match is None or match.end() == at:
            raise TemplateError(_complaint(source, at), lines.at(at))
        kind = match.lastgroup or ""
        if kind in ("path", "name") and match.end() < len(source) and not source.startswith(_AFTER_NAME, match.end()):
            raise TemplateError(f"{source[match.end() :][:1]!r} cannot stand after {match[0]}", lines.at(at))
        spaced = kind == "space"
        if not spaced:
            before = source[match.start() - 1] in _SPACES
            words.append(Word(kind, match[0], lines.at(match.start()), before))
        at = match.end()


def _complaint(source: str, at: int) -> str:
    if at >= len(source):
        return "an action {{ is not closed"
    if source.startswith("{{", at):
        return "an action {{ is opened inside another"
    if source[at] in "\"'`":
        return "a quoted text inside an action is not closed"
    return f"{source[at]!r} cannot stand in an action"
