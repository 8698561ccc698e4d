"""Bytes per second over the last seconds, and how long the rest will take."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

WINDOW_S = 8.0
# Less than this says nothing of a speed.
_LEAST_S = 0.5


class TransferMeter:
    """Counts bytes as they come, not those that were there before."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()
        self._total = 0

    def add(self, count: int) -> None:
        """So many bytes have come."""
        if not self._seen:
            self._seen.append((self._clock(), 0))
        self._total += max(count, 0)
        now = self._clock()
        if now - self._seen[-1][0] >= 0.05 or len(self._seen) == 1:
            self._seen.append((now, self._total))
        else:
            self._seen[-1] = (self._seen[-1][0], self._total)
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW_S:
            self._seen.popleft()

    @property
    def bytes_s(self) -> float | None:
        """The speed over the window; it falls while nothing comes. None before there is anything to say."""
        if not self._seen:
            return None
        since, base = self._seen[0]
        elapsed = self._clock() - since
        return (self._total - base) / elapsed if elapsed >= _LEAST_S else None

    def eta_s(self, left: int | None) -> float | None:
        """Seconds until `left` bytes have come at this speed; None while nobody can tell."""
        speed = self.bytes_s
        return left / speed if speed and left is not None else None
