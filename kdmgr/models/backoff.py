"""How long to wait before another try, and when to give up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits in seconds: doubled from `first_s` up to `longest_s`, `tries` times in a row without a byte."""

    first_s: float = 0.5
    longest_s: float = 30.0
    tries: int = 8
    patience_s: float = 300.0
    """A server that asks for a longer wait than this is not waited for."""

    def pause(self, failed: int, asked_s: float | None = None) -> float | None:
        """Seconds before the next try after `failed` failures in a row; None to give up.

        `asked_s` is what the server asked for.
        """
        if failed > self.tries or (asked_s or 0.0) > self.patience_s:
            return None
        return max(min(self.first_s * 2.0 ** (failed - 1), self.longest_s), asked_s or 0.0)
