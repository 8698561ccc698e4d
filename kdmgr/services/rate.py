"""Tokens per second while they stream: over the last second, not over the whole answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

WINDOW_S = 1.0


class RateMeter:
    """Counts tokens as they come. A chunk is not a token: without a count it stands for one, and that is said."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()
        self._in_window = 0
        self._started: float | None = None
        self.n_tokens = 0
        self.counted = True
        """False as soon as one piece came without a token count: the rate is then one of chunks."""

    def add(self, n_tokens: int | None) -> None:
        """One piece of the answer has come."""
        now = self._clock()
        if self._started is None:
            self._started = now
        count = 1 if n_tokens is None else n_tokens
        self.counted = self.counted and n_tokens is not None
        self.n_tokens += count
        self._seen.append((now, count))
        self._in_window += count
        self._forget(now)

    @property
    def tok_s(self) -> float | None:
        """Tokens in the last second (while fewer have passed, over those); None before there is anything to say."""
        now = self._clock()
        self._forget(now)
        if self._started is None:
            return None
        elapsed = min(now - self._started, WINDOW_S)
        return self._in_window / elapsed if elapsed > 0.05 else None

    def _forget(self, now: float) -> None:
        while self._seen and now - self._seen[0][0] > WINDOW_S:
            self._in_window -= self._seen.popleft()[1]
