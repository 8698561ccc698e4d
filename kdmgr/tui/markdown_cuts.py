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
MOST_ROWS = 48
"""Lines of a table after which its header stands again, and of code after which it may go on in another part."""


@dataclass(frozen=True, slots=True)
class Part:
    """Markdown that is laid out by itself."""

    source: str
    goes_on: bool = False
    """Whether the block at its end goes on in the next part."""


@dataclass(frozen=True, slots=True)
class _Border:
    """Where a block begins, or a piece of one that may stand by itself."""

    line: int
    least: int = MOST_LINES
    """Lines that a part has before it ends here."""
    within: bool = False
    """In the middle of a block."""
    opening: str = ""
    """What the next part needs before its first line."""


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
    parts, opening, begin, at, line = [], "", 0, 0, 0
    for border in _borders(build_parser().parse(source), lines):
        at += sum(map(len, lines[line : border.line]))
        line = border.line
        if line - begin >= border.least and at >= n_shown:
            parts.append(Part(opening + "".join(lines[begin:line]), border.within))
            begin, opening = line, border.opening
    return [*parts, Part(opening + "".join(lines[begin:]))]


def _borders(tokens: list[Token], lines: list[str]) -> Iterator[_Border]:
    """In the order of their lines. The first item of a list begins with its list."""
    begin, header = 0, ""
    for token in tokens:
        if token.map is None or token.nesting < 0:
            continue
        line = token.map[0]
        if token.level == 0:
            begin, header = line, "".join(lines[line : line + 2])
            yield _Border(line)
            if token.type == "fence":
                yield from _in_code(token, lines)
        elif token.level == 1 and token.type == "list_item_open" and line > begin:
            yield _Border(line, within=True)
        elif token.level == 2 and token.type == "tr_open" and line > begin + 2 and header.startswith("|"):
            yield _Border(line, MOST_ROWS, True, header)


def _in_code(fence: Token, lines: list[str]) -> Iterator[_Border]:
    """Where something new seems to begin: a line that is not indented, after an empty one."""
    assert fence.map is not None
    begin, end = fence.map
    for number in range(begin + 2, end):
        line = lines[number]
        if not lines[number - 1].strip() and line[:1].strip() and not line.startswith(fence.markup):
            yield _Border(number, MOST_ROWS, True, lines[begin])
