"""Where Markdown that grows can be cut, so that what stands is not laid out again with each word. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MOST_LINES = 24
"""Lines of a part after which the next block, or item of a list, begins another."""


@dataclass(frozen=True, slots=True)
class Part:
    """Markdown that is laid out by itself."""

    source: str
    goes_on: bool = False
    """Whether the list at its end goes on in the next part."""


@dataclass(frozen=True, slots=True)
class _Border:
    """Where a block begins, or an item of a list."""

    line: int
    in_list: bool


def build_parser() -> MarkdownIt:
    """Markdown without HTML (it would vanish from what the model said) and without guessed links."""
    from markdown_it import MarkdownIt

    return MarkdownIt("gfm-like", {"html": False, "linkify": False})


def cut(source: str, n_shown: int = 0) -> list[Part]:
    """`source` in parts, of which the last may still grow; its first `n_shown` characters stay in one part."""
    lines = [f"{line}\n" for line in source.split("\n")]
    lines[-1] = lines[-1][:-1]
    if len(lines) <= MOST_LINES:
        return [Part(source)]
    parts, begin, at, line = [], 0, 0, 0
    for border in _borders(build_parser().parse(source)):
        at += sum(map(len, lines[line : border.line]))
        line = border.line
        if line - begin >= MOST_LINES and at >= n_shown:
            parts.append(Part("".join(lines[begin:line]), border.in_list))
            begin = line
    return [*parts, Part("".join(lines[begin:]))]


def _borders(tokens: list[Token]) -> Iterator[_Border]:
    """In the order of their lines. An outer list's first item begins with its list."""
    for token in tokens:
        if token.map is None:
            continue
        if token.level == 0 and token.nesting >= 0:
            begin = token.map[0]
            yield _Border(begin, False)
        elif token.level == 1 and token.type == "list_item_open" and token.map[0] > begin:
            yield _Border(token.map[0], True)
