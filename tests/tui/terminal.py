"""The app in a terminal of its own, and what stands on it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pexpect
import pyte

WAIT_S = 90.0
"""For one state to be reached: a loaded machine is slow, and nothing is waited for longer than it takes."""
KEYS = {"enter": "\r", "escape": "\x1b", "f2": "\x1bOQ", "f3": "\x1bOR", "ctrl+q": "\x11", "ctrl+s": "\x13"}


@dataclass
class Terminal:
    """What was written to it is on `screen`; keys are typed."""

    child: pexpect.spawn[bytes]
    screen: pyte.Screen
    stream: pyte.ByteStream

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def type(self, text: str) -> None:
        self.child.send(text.encode())

    def press(self, key: str) -> None:
        self.type(KEYS.get(key, key))

    def see(self, *parts: str) -> None:
        """Wait until all of this is on the screen."""
        self.until(lambda: all(part in self.text for part in parts), f"waited for {parts}")

    def until(self, check: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not check():
            assert time.monotonic() < deadline, f"{what}, saw:\n{self.text}"
            self._read()

    def end(self) -> int | None:
        """The exit code, once the app has ended by itself."""
        deadline = time.monotonic() + WAIT_S
        while self.child.isalive():
            assert time.monotonic() < deadline, f"still running:\n{self.text}"
            self._read()
        self.child.close()
        return self.child.exitstatus

    def _read(self) -> None:
        try:
            self.stream.feed(self.child.read_nonblocking(1 << 16, timeout=0.1))
        except pexpect.TIMEOUT:
            pass
        except pexpect.EOF:
            time.sleep(0.05)


@contextmanager
def terminal(env: Mapping[str, str], columns: int = 120, rows: int = 36) -> Iterator[Terminal]:
    """`python -m kdmgr` in a terminal of this size; it is gone afterwards."""
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **env}
    child = pexpect.spawn(
        sys.executable, ["-m", "kdmgr"], env=environment, dimensions=(rows, columns), encoding=None, timeout=WAIT_S
    )
    screen = pyte.Screen(columns, rows)
    try:
        yield Terminal(child, screen, pyte.ByteStream(screen))
    finally:
        child.close(force=True)
