"""What a linter says, and the fixes it can make."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdmgr.modelfile.lint.sources import SourceFacts

ERROR, WARNING, NOTE = "error", "warning", "note"
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Fix:
    """Put `text` in place of what stands between two positions, in characters."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing. Lines and columns count from 1, as editors do; a CRLF is one line end."""

    code: str
    severity: str
    """"error": Ollama refuses it, or the model cannot work; "warning": hardly meant; "note": worth knowing."""
    line: int
    column: int
    message: str
    reason: str
    """Why it matters, or what to do."""
    fix: Fix | None = None
    """Only where nothing can be lost by it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a Modelfile is judged by besides itself."""

    look: Callable[[str, str], SourceFacts | None] | None = None
    """What FROM, ADAPTER or DRAFT (the first argument) names by the second; None where nobody can tell."""
    version: tuple[int, ...] | None = None
    """Of the Ollama that shall take it; None for any."""

    @property
    def era(self) -> str | None:
        """How that Ollama treats templates: "C" runs the Jinja of a file, "B2" does not; None for any."""
        if self.version is None:
            return None
        return "C" if self.version >= (0, 30) else "B2"


class Text:
    """A text in which places are found by line and column."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(text))]

    def finding(
        self, code: str, severity: str, at: int, message: str, reason: str, *, fix: Fix | None = None
    ) -> Finding:
        """A finding at a position."""
        line = bisect_right(self._starts, at)
        return Finding(code, severity, line, at - self._starts[line - 1] + 1, message, reason, fix)

    def line_start(self, at: int) -> int:
        """Where the line of a position begins."""
        return max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1

    def line_end(self, at: int) -> int:
        """Where the line of a position ends: at its line end, or at the end of the text."""
        match = _LINE_END.search(self.text, at)
        return match.start() if match else len(self.text)

    def next_line(self, at: int) -> int:
        """Where the next line begins."""
        match = _LINE_END.search(self.text, at)
        return match.end() if match else len(self.text)

    def drop_lines(self, start: int, end: int) -> Fix:
        """The fix that removes the whole lines from `start` to `end`."""
        return Fix(self.line_start(start), end if end == self.line_start(end) else self.next_line(end), "")


def apply_fixes(text: str, findings: Iterable[Finding]) -> tuple[str, list[Finding]]:
    """The text with every fix that does not overlap one before it, and the findings that were fixed."""
    fixed: list[Finding] = []
    parts: list[str] = []
    at = 0
    ordered = sorted((finding for finding in findings if finding.fix), key=lambda finding: _span(finding))
    for finding in ordered:
        start, end = _span(finding)
        if start < at or (fixed and (start, end) == _span(fixed[-1])):
            continue
        assert finding.fix is not None
        parts += [text[at:start], finding.fix.text]
        at = end
        fixed.append(finding)
    return "".join([*parts, text[at:]]), fixed


def _span(finding: Finding) -> tuple[int, int]:
    assert finding.fix is not None
    return finding.fix.start, finding.fix.end
