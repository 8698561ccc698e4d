"""What the commands print through: colours only where they are wanted, nothing a terminal could obey.

Plain ANSI instead of a library: `kdmgr fit` answers in a few tens of milliseconds, and importing one
would double them.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

from kdmgr.units import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
GAP = "  "


class Console:
    """stdout for data, stderr for messages."""

    def __init__(self, out: TextIO, err: TextIO, *, color: bool = False, width: int = 80, terminal: bool = False):
        self.stdout = out
        self.stderr = err
        self.color = color
        self.width = width
        self.terminal = terminal
        """Whether a person reads stderr, who would like to see progress."""

    @classmethod
    def for_terminal(cls, arguments: Sequence[str] = (), env: Mapping[str, str] = os.environ) -> Console:
        """The console for this process: colours on a terminal that can, unless switched off."""
        plain = "--no-color" in arguments or env.get("NO_COLOR") or env.get("TERM") == "dumb"
        color = not plain and (sys.stdout.isatty() or bool(env.get("FORCE_COLOR")))
        return cls(
            sys.stdout,
            sys.stderr,
            color=bool(color),
            width=_terminal_width(env),
            terminal=sys.stderr.isatty() and env.get("TERM") != "dumb",
        )

    def print(self, text: str = "", *, end: str = "\n") -> None:
        """Data, to stdout. The caller makes foreign text `printable` first."""
        self.stdout.write(text + end)

    def note(self, text: str) -> None:
        """A message, to stderr."""
        self.stderr.write(printable(text) + "\n")

    def error(self, message: str, hint: str | None) -> None:
        """One line that says what and why, then what to do."""
        self.stdout.flush()
        self.note(f"error: {message}")
        if hint:
            self.note(f"hint: {hint}")

    def style(self, text: str, *names: str) -> str:
        """`text` in the named styles, or as it is without colours."""
        if not self.color or not names:
            return text
        codes = ";".join(STYLES[name] for name in names)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def fields(self, fields: Mapping[str, str]) -> None:
        """Names and values, one a line; empty values are left out."""
        shown = {name: value for name, value in fields.items() if value}
        width = max(map(len, shown), default=0)
        for name, value in shown.items():
            self.print(f"{self.style(pad(name, width), 'dim')}  {printable(value)}")

    def paragraph(self, label: str, text: str, indent: int) -> None:
        """A label and a text beside it, wrapped at the terminal's width; links stay in one piece."""
        import textwrap

        lines = textwrap.wrap(printable(text), max(30, self.width - indent), break_on_hyphens=False) or [""]
        self.print(self.style(f"{label:<{indent}}", "dim") + lines[0])
        for line in lines[1:]:
            self.print(" " * indent + line)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Columns as wide as their widest cell; `right` lists those aligned to the right."""
        cells = [[printable(cell) for cell in row] for row in rows]
        widths = [max(map(display_width, column)) for column in zip(header, *cells, strict=True)]
        self.print(self.style(_join(header, widths, right), "bold"))
        for row in cells:
            self.print(_join(row, widths, right))


def _terminal_width(env: Mapping[str, str]) -> int:
    """Columns of the terminal: as COLUMNS says, else as it says itself, else 100."""
    if env.get("COLUMNS", "").isdigit():
        return max(int(env["COLUMNS"]), 40)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 100
    except (OSError, ValueError, AttributeError):
        return 100


def display_width(text: str) -> int:
    """Columns that `text` takes in a terminal."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """`text` filled with spaces up to `width` columns."""
    fill = " " * (width - display_width(text))
    return fill + text if right else text + fill


def _join(cells: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    padded = (pad(cell, width, right=at in right) for at, (cell, width) in enumerate(zip(cells, widths, strict=True)))
    return GAP.join(padded).rstrip()
