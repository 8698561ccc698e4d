"""How far long work has come, on one line of the terminal."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from kdmgr.units import format_duration, format_speed, printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.models.progress import Progress

_BAR, _REFRESH_S = 30, 0.1


class ProgressBar:
    """One line on stderr, redrawn at most ten times a second: bar, share, speed and time left."""

    def __init__(self, console: Console, *, silent: bool) -> None:
        self._console = console
        self._silent = silent
        self._started = monotonic()
        self._status = ""
        self._drawn = 0.0
        self._open = False

    def show(self, progress: Progress) -> None:
        """Draw `progress`, unless it was drawn just now."""
        now = monotonic()
        if progress.status != self._status:
            # Each step has a speed of its own.
            self._status, self._started, self._drawn = progress.status, now, 0.0
        done = progress.total is not None and progress.completed >= progress.total
        if self._silent or (not done and now - self._drawn < _REFRESH_S):
            return
        self._drawn, self._open = now, True
        if not progress.total:
            self._write(progress.status)
            return
        share = progress.completed / progress.total
        speed = progress.completed / max(now - self._started, 1e-6)
        left = progress.total - progress.completed
        filled = int(share * _BAR)
        bar = "█" * filled + "·" * (_BAR - filled)
        eta = f", {format_duration(left / speed)} left" if left and speed else ""
        self._write(f"{progress.status} {bar} {share:4.0%} {format_speed(speed)}{eta}")

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            self._open = False
            self._console.stderr.write("\n")

    def _write(self, text: str) -> None:
        self._console.stderr.write(f"\r\x1b[2K{printable(text)}")
        self._console.stderr.flush()
