"""Tokens per second that a chat can show, and what that costs beside reading the same answer without a screen.

    python benchmarks/chat_rendering.py [--rate 500] [--tokens 3000] [--only KIND]      (needs the `test` extra)

The app is real and 120×36, the engine a script that hands out tokens of four characters at `--rate`. A key is pressed
every quarter of a second meanwhile: `key` is how long the slowest one took to be in the box.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.tables import print_table
from kdmgr.engines.protocol import ChatDelta, ChatEvent, ChatRequest, EngineModel
from kdmgr.services.chatting import ChatSession
from kdmgr.services.live_entries import Phase
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.screens.chat import ChatScreen
from kdmgr.tui.widgets.turns import Answer
from tests.support.chat_engine import stats
from tests.tui.conftest import make_services
from tests.tui.fakes_chats import FakeChat

CHARS = 4
"""Of a token."""
KEY_S = 0.25
WORDS = "a student learns from the answers of its teacher and keeps **most** of what it can do in less memory "
COLUMNS = ("kind", "tokens", "tok/s shown", "CPU/token", "plain", "ratio", "key")


def paragraphs() -> str:
    """Paragraphs of about a hundred words."""
    return (WORDS * 5 + "\n\n") * 40


def bullets() -> str:
    """One list without an end."""
    return "".join(f"- item {number}: **bold**, `code` and {WORDS[:50]}\n" for number in range(400))


def code() -> str:
    """One block of code without an end."""
    lines = "".join(
        f"def step_{n}(x: int) -> int:\n    # next\n    return x * {n} + len('text')\n\n" for n in range(300)
    )
    return f"```python\n{lines}"


def table() -> str:
    """One table without an end."""
    rows = (f"| row {number} | {number * 7} | some **words** here | `x{number}` |\n" for number in range(500))
    return "| name | size | text | code |\n|---|---|---|---|\n" + "".join(rows)


KINDS = {"paragraphs": paragraphs, "list": bullets, "code": code, "table": table, "thinking": paragraphs}


@dataclass
class PacedChat(FakeChat):
    """Hands out tokens at a pace, and as many as are due when it was kept waiting."""

    tokens: list[ChatDelta] = field(default_factory=list)
    rate: float = 500.0

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        started = time.monotonic()
        for number, token in enumerate(self.tokens):
            early = started + number / self.rate - time.monotonic()
            if early > 0:
                await asyncio.sleep(early)
            yield token
        yield stats(n_output=len(self.tokens))


def make_tokens(kind: str, n_tokens: int) -> list[ChatDelta]:
    """An answer of a kind, cut into tokens."""
    text = KINDS[kind]()[: n_tokens * CHARS]
    pieces = [text[at : at + CHARS] for at in range(0, len(text), CHARS)]
    if kind == "thinking":
        return [ChatDelta(thinking=piece, n_tokens=1) for piece in pieces]
    return [ChatDelta(piece, n_tokens=1) for piece in pieces]


async def read_plainly(tokens: list[ChatDelta], rate: float) -> float:
    """CPU seconds of the session alone."""
    session = ChatSession(PacedChat(tokens=tokens, rate=rate), EngineModel("student"), reason="", n_ctx=None)
    started = time.process_time()
    async for _ in session.send("go"):
        pass
    return time.process_time() - started


async def show(tokens: list[ChatDelta], rate: float, *, unfold: bool) -> tuple[float, float, float]:
    """Seconds until all is shown, CPU seconds of that, and the slowest key."""
    services = make_services(catalog=2)
    services.chat = PacedChat(tokens=tokens, rate=rate)
    app = KdmgrApp(services)
    async with app.run_test(size=(120, 36)) as pilot:
        while not isinstance(app.screen, ChatScreen):
            await pilot.press("enter")
            await pilot.pause(0.2)
        screen = app.screen
        while screen.phase is not Phase.READY:
            await pilot.pause(0.05)
        screen.box.text = "go"
        started, cpu = time.monotonic(), time.process_time()
        await pilot.press("enter")
        await pilot.pause(0.1)
        if unfold:
            screen.conversation.fold()
        slowest = await press_keys(app, screen)
        await pilot.pause()
        return time.monotonic() - started, time.process_time() - cpu, slowest


async def press_keys(app: KdmgrApp, screen: ChatScreen) -> float:
    """Press keys until the answer is shown; the longest that one took, in seconds."""
    from textual import events

    slowest = 0.0
    while screen.chat.streaming or not screen.query(Answer) or not screen.query(Answer).last().is_complete:
        pressed, before = time.monotonic(), len(screen.box.text)
        app.post_message(events.Key("x", "x"))
        while len(screen.box.text) == before:  # noqa: ASYNC110 - looked at from outside, as a user does
            await asyncio.sleep(0.001)
        slowest = max(slowest, time.monotonic() - pressed)
        await asyncio.sleep(KEY_S)
    return slowest


def measure(kind: str, n_tokens: int, rate: float) -> Iterable[str]:
    """One row."""
    tokens = make_tokens(kind, n_tokens)
    plain = asyncio.run(read_plainly(tokens, rate))
    wall, cpu, slowest = asyncio.run(show(tokens, rate, unfold=kind == "thinking"))
    count = len(tokens)
    return (
        kind,
        str(count),
        f"{count / wall:.0f}",
        f"{cpu / count * 1000:.2f} ms",
        f"{plain / count * 1000:.2f} ms",
        f"{cpu / plain:.1f}×",
        f"{slowest * 1000:.0f} ms",
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=500.0, help="tokens per second of the engine")
    parser.add_argument("--tokens", type=int, default=3000, help="of each answer")
    parser.add_argument("--only", choices=KINDS, action="append", help="one kind; may be given again")
    asked = parser.parse_args()
    rows = [measure(kind, asked.tokens, asked.rate) for kind in asked.only or KINDS]
    print_table(f"Chat at {asked.rate:.0f} tok/s", COLUMNS, rows)


if __name__ == "__main__":
    main()
