"""CPU time of whole commands, as multiples of `python -c pass`, and of the catalog, as multiples of its plain JSON.

    python benchmarks/startup.py MODEL.gguf

Prints the median of several runs, in turn with the bare interpreter, since machines drift.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kdmgr.catalog.load import SHIPPED, load_catalog

RUNS = 11


def cpu_seconds(command: list[str], env: dict[str, str]) -> float:
    """User and system time of one run, as the operating system counts it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(name: str, command: list[str], env: dict[str, str], *, forget: Path | None = None) -> None:
    """Print one row; `forget` is a folder to empty before each run."""
    ours, bare = [], []
    for _ in range(RUNS):
        if forget is not None:
            for path in forget.rglob("*"):
                if path.is_file():
                    path.unlink()
        ours.append(cpu_seconds(command, env))
        bare.append(cpu_seconds([sys.executable, "-c", "pass"], env))
    mine, floor = statistics.median(ours), statistics.median(bare)
    print(f"{name:<28} {mine * 1000:7.0f} ms   {mine / floor:5.1f} × `python -c pass` ({floor * 1000:.0f} ms)")


def best_ms(work: Callable[[], object]) -> float:
    """Milliseconds of CPU time in this process, at its best."""
    taken = []
    for _ in range(3 * RUNS):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken) * 1000


def measure_catalog() -> None:
    """Finding one student, and decoding all, beside `json.loads` of every line."""
    plain = best_ms(lambda: [json.loads(line) for line in SHIPPED.read_bytes().splitlines()])
    rows = {
        "catalog: find one student": lambda: load_catalog().get("phi3-mini"),
        f"catalog: decode all {len(load_catalog())}": lambda: list(load_catalog()),
    }
    for name, work in rows.items():
        taken = best_ms(work)
        print(f"{name:<28} {taken:7.1f} ms   {taken / plain:5.1f} × its JSON ({plain:.1f} ms)")


def main() -> None:
    """Measure with folders of our own."""
    model = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "KDMGR_DATA_DIR": folder, "KDMGR_CONFIG_DIR": folder}
        # As installed: compiled modules are kept, wherever this runs.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        kdmgr = [sys.executable, "-m", "kdmgr"]
        measure("kdmgr --version", [*kdmgr, "--version"], env)
        measure("kdmgr --help", [*kdmgr, "--help"], env)
        # The very first run also measures the host's bandwidth, once per machine and not once per file.
        measure("kdmgr fit FILE, very first", [*kdmgr, "fit", model], env, forget=Path(folder) / "cache")
        measure("kdmgr fit FILE, first", [*kdmgr, "fit", model], env, forget=Path(folder) / "cache" / "headers")
        measure("kdmgr fit FILE, cached", [*kdmgr, "fit", model], env)
        measure("kdmgr fit FILE --json", [*kdmgr, "fit", model, "--json"], env)
        measure("kdmgr students", [*kdmgr, "students"], env)
    measure_catalog()


if __name__ == "__main__":
    main()
