"""What stands on the screen, and waiting for it."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Any

from textual.app import App
from textual.pilot import Pilot

_TEXT = re.compile(r'<text[^>]* y="([\d.]+)"[^>]*>([^<]*)</text>')
_RULE = re.compile(r"\.terminal-\d+-(r\d+) \{ ([^}]*) \}")
_RECT = re.compile(r'<rect fill="([^"]*)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"')
_STYLED = re.compile(
    r'<text class="terminal-\d+-(r\d+)" x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"[^>]*>([^<]*)</text>'
)
_MASK = re.compile(r"(?<![\d.])\d\d?:\d\d(?!\d)|(?<=looks-)\w{8}|(?<=sha256-)[0-9a-f]+")
_COLUMN, _ROW = 12.2, 24.4
"""Of a character in a picture."""


def screen_text(app: App[Any]) -> str:
    """The characters on the screen, line by line."""
    lines: dict[float, str] = {}
    for y, text in _TEXT.findall(app.export_screenshot()):
        lines[float(y)] = lines.get(float(y), "") + html.unescape(text).replace("\xa0", " ")
    return "\n".join(lines[y] for y in sorted(lines))


async def until(pilot: Pilot[Any], check: Callable[[], object], seconds: float = 8.0) -> None:
    """Wait for something to come true; fail with what the screen shows when it does not."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not check():
        assert asyncio.get_running_loop().time() < deadline, screen_text(pilot.app)
        await pilot.pause(0.02)


@dataclass(frozen=True)
class Look:
    """What a screen shows: its lines of text, and for each a digest of the colours and styles along it."""

    lines: tuple[str, ...]
    styles: tuple[str, ...]


def look_at(app: App[Any]) -> Look:
    """The screen as it is now, without what changes from run to run: times, and names of temporary files."""
    svg = app.export_screenshot()
    rules = dict(_RULE.findall(svg))
    lines, styles = [""] * app.size.height, [""] * app.size.height
    for fill, x, y, width in _RECT.findall(svg):
        styles[int((float(y) - 1.5) / _ROW + 0.5)] += f"{fill} {x} {width}\n"
    for rule, x, y, width, text in _STYLED.findall(svg):
        row = int(float(y) / _ROW - 0.5)
        styles[row] += f"{rules[rule]} {x} {width}\n"
        lines[row] = lines[row].ljust(round(float(x) / _COLUMN)) + html.unescape(text).replace("\xa0", " ")
    shown = (_MASK.sub(lambda found: "#" * len(found[0]), line).rstrip() for line in lines)
    return Look(tuple(shown), tuple(sha256(style.encode()).hexdigest()[:5] for style in styles))


async def settled_look(pilot: Pilot[Any]) -> Look:
    """What the screen shows when nothing changes any more; its last line, the footer, is made anew now and then."""
    before, look = None, look_at(pilot.app)
    for _ in range(40):
        if look == before and look.lines[-1]:
            break
        await pilot.pause(0.1)
        before, look = look, look_at(pilot.app)
    return look


def write_looks(looks: Mapping[tuple[int, str], Look]) -> str:
    """Looks by columns and theme. Where themes show the same text, it stands there once, with the styles of each."""
    parts: list[str] = []
    shown: tuple[str, ...] = ()
    for (columns, theme), look in looks.items():
        if look.lines != shown:
            shown = look.lines
            parts += [f"{columns} columns", *shown]
        runs = ((style, len(list(same))) for style, same in groupby(look.styles))
        styles = " ".join(style if n == 1 else f"{style}x{n}" for style, n in runs)
        parts.append(f"styles in {theme}: {styles}")
    return "\n".join(parts) + "\n"
