"""How shares have gone over the last minutes. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdmgr.services.monitoring import MachineSample

LENGTH = 90
HOST = "host"


class Courses:
    """Shares from 0 to 1 by what they are of; a moment for which there is none leaves no point."""

    def __init__(self) -> None:
        self._points: dict[str, deque[float]] = {}

    def add(self, key: str, share: float | None) -> None:
        """One more point."""
        if share is not None:
            self._points.setdefault(key, deque(maxlen=LENGTH)).append(share)

    def of(self, key: str) -> tuple[float, ...]:
        """The points so far, the newest last."""
        return tuple(self._points.get(key, ()))

    def take(self, sample: MachineSample) -> None:
        """Memory and load of every device and of the host."""
        for at, device in enumerate(sample.machine.devices):
            self.add(f"memory {at}", device.used_bytes / device.total_bytes if device.total_bytes else None)
            self.add(f"load {at}", device.busy)
        host = sample.machine.host
        if host.total_bytes and host.available_bytes is not None:
            self.add(f"memory {HOST}", 1 - host.available_bytes / host.total_bytes)
        self.add(f"load {HOST}", sample.cpu_busy)
