"""How long it takes to plan: milliseconds per call of `place` and `largest_context`.

    python benchmarks/planning.py [--profile]      (needs the `test` extra)

Every call is made anew, on a shape that has been read already. `--profile` shows where the time goes.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.tables import print_table
from kdmgr.fit.assess import assess, largest_context
from kdmgr.fit.options import RunOptions, resolve
from kdmgr.fit.placement import place
from kdmgr.fit.plan import Verdict
from tests.support.machines import paper_machine
from tests.support.shapes import shape

RUNS = 20


@dataclass(frozen=True, slots=True)
class Case:
    """A model on devices with so many GiB free each."""

    what: str
    model: str
    free_gib: tuple[int, ...]
    n_ctx: int = 8192


CASES = (
    Case("dense, CPU alone", "llama-3.1-8b", ()),
    Case("dense, whole on one GPU", "llama-3.1-8b", (24,)),
    Case("dense, in part", "llama-3.1-8b", (4,)),
    Case("dense, two GPUs", "llama-3.1-8b", (12, 12)),
    Case("sliding window, in part", "gemma-3-12b", (8,)),
    Case("experts, whole on one GPU", "qwen3-30b-a3b", (32,)),
    Case("experts, in part", "qwen3-30b-a3b", (8,)),
    Case("experts, two GPUs, in part", "qwen3-30b-a3b", (6, 8)),
    Case("recurrent, in part", "qwen3.5-9b", (4,)),
    Case("experts and recurrent, in part", "qwen3.5-35b-a3b", (8,)),
    Case("70B, two GPUs, in part", "llama-3.3-70b", (24, 8)),
)


def main() -> None:
    """Print the table, and with `--profile` the costliest functions of the whole of it."""
    parser = argparse.ArgumentParser(description="Milliseconds per plan.")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    asked = parser.parse_args()
    if asked.profile:
        for case in CASES:
            profile(case)
        return
    print_table(
        f"Milliseconds, median of {RUNS}",
        ("case", "model", "GPUs, GiB", "layers", "place", "worst", "largest context", "assess"),
        [row(case) for case in CASES],
    )


def calls(case: Case) -> dict[str, Callable[[], object]]:
    """What is timed."""
    found, machine = shape(case.model), paper_machine(list(case.free_gib))
    options = RunOptions(n_ctx=case.n_ctx)
    least = Verdict.PARTIAL if case.free_gib else Verdict.CPU
    return {
        "place": lambda: place(found, resolve(options, found, machine), machine),
        "largest context": lambda: largest_context(found, machine, options, least),
        "assess": lambda: assess(found, machine, options, ref=case.model, source="file"),
    }


def row(case: Case) -> tuple[str, ...]:
    """The table's row for one case."""
    found, machine = shape(case.model), paper_machine(list(case.free_gib))
    plan = place(found, resolve(RunOptions(n_ctx=case.n_ctx), found, machine), machine)
    timed = calls(case)
    placing = milliseconds(timed["place"])
    return (
        case.what,
        case.model,
        "+".join(map(str, case.free_gib)) or "—",
        f"{plan.n_gpu_layers}/{plan.n_layers}",
        f"{statistics.median(placing):.1f}",
        f"{max(placing):.1f}",
        *(f"{statistics.median(milliseconds(timed[what], 5)):.0f}" for what in ("largest context", "assess")),
    )


def milliseconds(call: Callable[[], object], runs: int = RUNS) -> list[float]:
    """The time of each of `runs` calls."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
    return taken


def profile(case: Case) -> None:
    """Print the functions in which one `assess` spends most of its own time."""
    call = calls(case)["assess"]
    watch = cProfile.Profile()
    watch.runcall(call)
    print(f"\n{case.what}: {case.model} on {case.free_gib or 'the CPU'}")
    pstats.Stats(watch).strip_dirs().sort_stats("tottime").print_stats(12)


if __name__ == "__main__":
    main()
