"""What stands on the screen, and waiting for it."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.pilot import Pilot

_TEXT = re.compile(r'<text[^>]* y="([\d.]+)"[^>]*>([^<]*)</text>')


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
