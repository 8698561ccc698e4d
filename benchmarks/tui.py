"""The terminal app with many rows: filling the table, a key press while scrolling, a key in the filter.

    python benchmarks/tui.py [ROWS]

Runs without a terminal, on the catalog's entries repeated until there are ROWS (10,000) of them, each with a name of
its own. Times are of the process's CPU, from the key to the last frame that it causes, the median and the worst of
many; driving the app is part of that, as a key that does nothing shows. `first_paint.py` measures the start.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from textual.pilot import Pilot
from textual.screen import Screen

from kdmgr.services.app import Services
from kdmgr.services.rows import ModelRow
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.screens.students import StudentsScreen

N_ROWS = 10_000
N_KEYS = 60


class ManyServices(Services):
    """An empty machine's services with as many rows as asked for."""

    n_rows = N_ROWS

    def model_rows(self) -> list[ModelRow]:
        """The catalog, again and again."""
        rows = itertools.cycle(enumerate(super().model_rows()))
        return [
            replace(row, key=f"{row.key}/{at}", name=f"{row.name} {at}")
            for at, (_, row) in zip(range(self.n_rows), rows, strict=False)
        ]


def report(name: str, times: Sequence[float]) -> None:
    """One row, in milliseconds."""
    print(f"{name:<36} {statistics.median(times) * 1000:8.1f} ms   worst {max(times) * 1000:8.1f} ms")


class Watch:
    """Knows when an app drew last."""

    def __init__(self, app: KdmgrApp) -> None:
        self.drawn_at = 0.0
        self._display = app._display
        app._display = self._note  # type: ignore[method-assign]

    def _note(self, screen: Screen[object], renderable: object) -> None:
        self._display(screen, renderable)  # type: ignore[arg-type]
        self.drawn_at = time.process_time()


async def timed(watch: Watch, act: Callable[[], Awaitable[object]], n: int) -> list[float]:
    """Seconds of CPU from each of `n` calls to the last frame."""
    times = []
    for _ in range(n):
        started = time.process_time()
        await act()
        times.append((watch.drawn_at if watch.drawn_at > started else time.process_time()) - started)
    return times


async def settle(pilot: Pilot[None]) -> None:
    """What was asked for is on the screen."""
    await pilot.pause()


async def measure(n_rows: int, folder: Path) -> None:
    """Open the app on `n_rows` rows, and press keys."""
    names = ("KDMGR_DATA_DIR", "KDMGR_CONFIG_DIR", "OLLAMA_MODELS")
    env = {**os.environ, **{name: str(folder / name) for name in names}, "OLLAMA_HOST": "127.0.0.1:9"}
    services = ManyServices.create(env)
    services.n_rows = n_rows
    app = KdmgrApp(services)
    watch = Watch(app)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = app.screen
        assert isinstance(screen, StudentsScreen)
        deadline = time.perf_counter() + 120
        while time.perf_counter() < deadline and not is_full(screen, n_rows):
            await pilot.pause(0.05)
        fill = await timed(watch, lambda: refill(screen, pilot), 5)
        report(f"filling with {n_rows} rows", fill)
        print(f"{'rows per second of filling':<36} {n_rows / statistics.median(fill):8.0f}")
        report("a key that does nothing", await timed(watch, lambda: pilot.press("f12"), N_KEYS))
        report("a row down", await timed(watch, lambda: pilot.press("j"), N_KEYS))
        report("a page down", await timed(watch, lambda: pilot.press("pagedown"), N_KEYS))
        await pilot.press("slash")
        for word in ("qwen", "teacher:deepseek", "fits"):
            times = [time_ for key in word for time_ in await timed(watch, lambda key=key: pilot.press(key), 1)]  # type: ignore[misc]
            report(f"a key in the filter ({word})", times)
            screen.filter_input.value = ""
            await settle(pilot)


def is_full(screen: StudentsScreen, n_rows: int) -> bool:
    """All rows are there, and sized."""
    return screen.table.row_count == n_rows and screen.plans.look_up(screen.rows[-1]) is not None


async def refill(screen: StudentsScreen, pilot: Pilot[None]) -> None:
    """All rows anew, as when the models have been listed again."""
    screen.arranged.set_rows(screen.rows)
    screen.show_rows()
    await settle(pilot)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else N_ROWS, Path(folder)))
