"""From `kdmgr` to the first frame that the terminal app shows, part by part, beside an empty app of Textual's.

    python benchmarks/first_paint.py

Each run is a process of its own, without a terminal, on an empty machine. CPU time, the median of several runs: the
imports of Textual and of what is ours, making services and app, parsing style sheets, mounting and laying out widgets,
and painting. What the app draws before all is mounted, Textual does not show; that counts as mounting.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RUNS = 7
PARTS = ("textual", "import", "make", "style", "mount", "paint")

Times = dict[str, float]
Mark = Callable[[str], None]


def run_once(which: str) -> Times:
    """Seconds of CPU of each part, in this process."""
    times = dict.fromkeys(PARTS, 0.0)
    marked = [time.process_time()]

    def mark(part: str) -> None:
        now = time.process_time()
        times[part] += now - marked.pop()
        marked.append(now)

    from textual.app import App
    from textual.screen import Screen

    mark("textual")
    app: App[None]
    if which == "kdmgr":
        from kdmgr.services.app import Services
        from kdmgr.tui.app import KdmgrApp
        from kdmgr.tui.screens.students import StudentsScreen as Screen

        mark("import")
        app = KdmgrApp(Services.create())
    else:
        app = App()
    mark("make")
    watch(app, Screen, mark)
    app.run(headless=True, size=(120, 36))
    return times


def watch(app: Any, screen: Any, mark: Mark) -> None:
    """Mark when style sheets are parsed and frames painted; leave after the first that is shown."""
    from textual.css.stylesheet import Stylesheet

    parse, paint, display = Stylesheet.parse, screen._compositor_refresh, type(app)._display
    shown: list[bool] = []

    def parse_marked(self: Stylesheet) -> None:
        mark("mount")
        parse(self)
        mark("style")

    def paint_marked(self: Any) -> None:
        mark("mount")
        paint(self)
        if shown:
            mark("paint")
            app.exit()

    def display_marked(self: Any, of: object, frame: object) -> None:
        display(self, of, frame)
        if type(of) is screen and frame is not None and not self._batch_count:
            shown.append(True)

    Stylesheet.parse = parse_marked  # type: ignore[method-assign]
    screen._compositor_refresh, type(app)._display = paint_marked, display_marked


def measure(which: str) -> Times:
    """The median of each part."""
    with tempfile.TemporaryDirectory() as folder:
        names = ("KDMGR_DATA_DIR", "KDMGR_CONFIG_DIR", "OLLAMA_MODELS")
        env = {**os.environ, **{name: str(Path(folder) / name) for name in names}, "OLLAMA_HOST": "127.0.0.1:9"}
        command = [sys.executable, __file__, which]
        runs = [
            json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])
            for _ in range(RUNS)
        ]
    return {part: statistics.median(run[part] for run in runs) for part in PARTS}


def report() -> None:
    """Two rows, in milliseconds."""
    print(f"{'CPU to the first frame (ms)':<28}" + "".join(f"{part:>9}" for part in (*PARTS, "all")))
    for name, which in (("kdmgr", "kdmgr"), ("an empty app", "empty")):
        times = measure(which)
        figures = [*times.values(), sum(times.values())]
        print(f"{name:<28}" + "".join(f"{figure * 1000:9.0f}" for figure in figures))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(run_once(sys.argv[1])))
    else:
        report()
