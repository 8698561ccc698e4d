"""The code in an answer: what stands between fences."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^\n`]*)$")


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One fenced block. The language is "" where the model gave none."""

    language: str
    text: str


def find_code(markdown: str) -> list[CodeBlock]:
    """The blocks in order; one that is still open at the end counts."""
    blocks: list[CodeBlock] = []
    lines: list[str] = []
    fence = language = ""
    for line in markdown.splitlines():
        match = _FENCE.match(line)
        if not fence and match:
            fence, language, lines = match[1], match[2].strip().partition(" ")[0], []
        elif fence and match and match[1].startswith(fence) and not match[2].strip():
            blocks.append(CodeBlock(language, "\n".join(lines)))
            fence = ""
        elif fence:
            lines.append(line)
    return [*blocks, CodeBlock(language, "\n".join(lines))] if fence else blocks
