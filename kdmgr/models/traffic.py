"""What went over the network: counted, so that it can be shown and held to a limit."""

from __future__ import annotations

import threading


class Traffic:
    """Requests made and bytes of their answers' bodies; several threads may count."""

    def __init__(self) -> None:
        self.requests = 0
        self.bytes_read = 0
        self._lock = threading.Lock()

    def add_request(self) -> None:
        """One more request, redirected ones included."""
        with self._lock:
            self.requests += 1

    def add_bytes(self, count: int) -> None:
        """So many bytes more."""
        with self._lock:
            self.bytes_read += count
