"""Predicted memory beside what the embedded engine allocates, as a Markdown table.

    python benchmarks/memory.py MODEL.gguf…      (needs the `test` extra)

Loads each model for real at several contexts and KV types and reads the engine's own log.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kdmgr.fit.options import RunOptions, resolve
from tests.support.comparing import CPU_ONLY, plan_on_host
from tests.support.measure import measure
from tests.support.shapes import read_file_shape

COLUMNS = ("model", "n_ctx", "KV", "weights plan/log", "KV plan/log", "compute plan/log")


def main() -> None:
    """One row per model, context and KV type; sizes in MiB."""
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for path in map(Path, sys.argv[1:]):
        shape = read_file_shape(path)
        contexts = sorted({min(n_ctx, shape.n_ctx_train or n_ctx) for n_ctx in (2048, 8192, 32768)})
        for n_ctx in contexts:
            for cache_type in ("f16", "q8_0"):
                print_row(path, n_ctx, cache_type)


def print_row(path: Path, n_ctx: int, cache_type: str) -> None:
    """Plan, load, compare."""
    shape = read_file_shape(path)
    options = resolve(RunOptions(n_ctx=n_ctx, type_k=cache_type, type_v=cache_type), shape, CPU_ONLY)
    log = measure(path, n_ctx, type_k=cache_type, type_v=cache_type)
    plan = plan_on_host(shape, options)
    pairs = ((plan.weights, log.weights), (plan.kv_cache, log.kv_cache), (plan.compute, log.compute))
    figures = " | ".join(f"{planned:.2f} / {seen:.2f}" for planned, seen in pairs)
    print(f"| {path.name} | {n_ctx} | {cache_type} | {figures} |")


if __name__ == "__main__":
    main()
