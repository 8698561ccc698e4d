"""Planned beside what Ollama's own engine would allocate, asked of a real one (0.11.11 to 0.24).

    python benchmarks/ollama_engine.py BINARY [--record]      (needs the `test` extra)

`--record` writes the answers to tests/data/ollama_engine.jsonl, which the tests hold the plans against.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.tables import MIB, SUMMARY, Pair, print_table, summarise
from kdmgr.fit.placement import place
from tests.support.comparing import CPU_ONLY
from tests.support.ollama_loads import EngineLoad, ask, settle, write_loads
from tests.support.ollama_recipes import ENGINE_RECIPES, engine_shape

PARTS = ("weights", "cache", "graph")


def main() -> None:
    """Ask, compare, and write down."""
    parser = argparse.ArgumentParser(description="Planned beside what Ollama's own engine allocates.")
    parser.add_argument("binary", type=Path, help="the program `ollama`")
    parser.add_argument("--record", action="store_true", help="write the answers down for the tests")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        loads = [load for name in ENGINE_RECIPES for load in ask(asked.binary, name, Path(folder))]
    if asked.record:
        write_loads(loads)
    compared = [compare(load) for load in loads]
    rows = [summarise(part, [pairs[part] for pairs in compared if part in pairs]) for part in PARTS]
    print_table(f"Ollama's own engine on the CPU: {len(loads)} loads", SUMMARY, rows)


def compare(load: EngineLoad) -> dict[str, Pair]:
    """The plan beside the answer, MiB; without the graph where it is not known."""
    shape = engine_shape(load.model)
    parts = place(shape, settle(shape, load.option_set), CPU_ONLY).host.components
    name = f"{load.model} {load.option_set}"
    cache = (parts.kv_cache or 0) + (parts.recurrent or 0)
    planned = {"weights": parts.weights, "cache": cache, "graph": parts.compute}
    return {
        part: Pair(name, size / MIB, getattr(load, part) / MIB) for part, size in planned.items() if size is not None
    }


if __name__ == "__main__":
    main()
