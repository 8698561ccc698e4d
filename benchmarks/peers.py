"""kdmgr beside other tools on the same files: what they say a model takes, and what saying it costs.

    python benchmarks/peers.py [--gguf-parser FILE] [--hf-mem FILE] [--file MODEL.gguf]      (needs the `test` extra)

Peers are looked for on the PATH unless they are named, and never installed. All are asked for one GPU that holds
the whole model, flash attention, an f16 cache and batches of 512; the engine's own figures are the measure.
hf-mem reads only from the Hub, so its parser is called on the file's header by the Python beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.tables import MIB, mib, print_table
from kdmgr.fit.graph.builder import Place
from kdmgr.fit.layout import Costs
from kdmgr.fit.options import RunOptions, resolve
from kdmgr.fit.placement import place
from kdmgr.gguf.shape import ModelShape
from tests.support.comparing import CPU_ONLY
from tests.support.gpu_oracle import project
from tests.support.machines import paper_machine
from tests.support.shapes import read_file_shape
from tests.support.sparse import RECIPES, write_sparse

HUGE_GIB = 1 << 10
MODELS = {
    "llama-3.1-8b": 8192,
    "gemma-3-12b": 32768,
    "qwen3-30b-a3b": 8192,
    "deepseek-v2-lite": 8192,
    "gpt-oss-20b": 8192,
    "qwen3.5-9b": 8192,
}
RUNS = 7
SLOW_S = 2
"""What takes longer is run only once."""
_HEADER_BYTES = 32 * MIB
_HF_MEM = """
import json, sys
from hf_mem.gguf.metadata import parse_gguf_metadata
with open(sys.argv[1], "rb") as file:
    found = parse_gguf_metadata(file.read(int(sys.argv[3])), experimental=True, max_model_len=int(sys.argv[2]))
print(json.dumps({"kv": found.kv_cache and found.kv_cache.cache_size, "weights": found.bytes_count}))
"""
# A process inherits the peak of the one that starts it, so a small one must do it.
_LAUNCH = """
import os, sys, time
devnull = os.open(os.devnull, os.O_RDWR)
quiet = [(os.POSIX_SPAWN_DUP2, devnull, number) for number in (1, 2)]
start = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
used = os.wait4(child, 0)[2]
print(used.ru_utime + used.ru_stime, time.perf_counter() - start, used.ru_maxrss)
"""
_GGUF_READER = "import sys, gguf; gguf.GGUFReader(sys.argv[1])"


@dataclass(frozen=True, slots=True)
class Said:
    """What a tool says of the GPU's memory, in bytes; None where it says nothing."""

    kv_cache: float | None
    """States of recurrent layers included."""
    compute: float | None
    total: float | None


@dataclass(frozen=True, slots=True)
class Peers:
    """Executables; None where there is none."""

    gguf_parser: str | None
    hf_mem: str | None

    @property
    def hf_mem_python(self) -> str | None:
        """The interpreter of the environment that hf-mem is installed in."""
        return str(Path(self.hf_mem).with_name("python")) if self.hf_mem else None


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description="kdmgr beside other tools.")
    parser.add_argument("--gguf-parser", metavar="FILE", help="gguf-parser, of gguf-parser-go")
    parser.add_argument("--hf-mem", metavar="FILE", help="hf-mem, in its environment's bin folder")
    parser.add_argument("--file", type=Path, metavar="MODEL.gguf", help="a real model to time the tools on, too")
    asked = parser.parse_args()
    peers = Peers(_find(asked.gguf_parser, "gguf-parser"), _find(asked.hf_mem, "hf-mem"))
    for name, found in (("gguf-parser", peers.gguf_parser), ("hf-mem", peers.hf_mem)):
        print(f"{name}: {found or 'not found'}")
    with tempfile.TemporaryDirectory() as folder:
        files = {name: write_sparse(RECIPES[name], Path(folder), name) for name in MODELS}
        report_figures(files, peers)
        for file in (files["llama-3.1-8b"], *([asked.file] if asked.file else [])):
            report_commands(file, peers)
            report_calls(file)


def _find(named: str | None, name: str) -> str | None:
    return shutil.which(named or name)


def report_figures(files: dict[str, Path], peers: Peers) -> None:
    """What each tool says, and how far from the engine that is."""
    rows: list[tuple[str, ...]] = []
    for name, n_ctx in MODELS.items():
        shape = read_file_shape(files[name])
        real = ask_engine(files[name], n_ctx)
        rows.append(
            (name, str(n_ctx), "the engine", mib(real.kv_cache), "", mib(real.compute), "", mib(real.total), "")
        )
        for tool, said in ask_all(files[name], shape, n_ctx, peers).items():
            rows.append((name, str(n_ctx), tool, *_cells(said, real)))
    columns = ("model", "context", "tool", "KV cache, MiB", "error", "compute", "error", "GPU total", "error")
    print_table("One GPU that holds the model: what each tool says", columns, rows)


def _cells(said: Said, real: Said) -> list[str]:
    pairs = ((said.kv_cache, real.kv_cache), (said.compute, real.compute), (said.total, real.total))
    return [cell for ours, theirs in pairs for cell in (mib(ours), _error(ours, theirs))]


def _error(said: float | None, real: float | None) -> str:
    return "" if said is None or not real else f"{said / real - 1:+.1%}"


def ask_engine(path: Path, n_ctx: int) -> Said:
    """What the embedded engine would put on the device."""
    share = project(path, [HUGE_GIB * 1024], n_ctx).shares["CUDA0"]
    return Said(share.context, share.compute, share.model + share.context + share.compute)


def ask_all(path: Path, shape: ModelShape, n_ctx: int, peers: Peers) -> dict[str, Said]:
    """The answers of kdmgr and of the peers that are there."""
    said = {"kdmgr": ask_kdmgr(shape, n_ctx)}
    if peers.gguf_parser:
        weights = shape.weights.total if shape.weights.tied else shape.weights.total - shape.weights.input
        said["gguf-parser"] = ask_gguf_parser(peers.gguf_parser, path, n_ctx, weights)
    if peers.hf_mem_python:
        said["hf-mem"] = ask_hf_mem(peers.hf_mem_python, path, n_ctx)
    return said


def ask_kdmgr(shape: ModelShape, n_ctx: int) -> Said:
    """The plan for one device, without the driver's own memory, which the engine's figures leave out too."""
    options = resolve(RunOptions(n_ctx=n_ctx), shape, CPU_ONLY)
    share = Costs(shape, options, 1).shares([Place(0)] * (shape.n_layer + 1))[0]
    return Said((share.kv_cache or 0) + share.recurrent, share.compute, share.known)


def ask_gguf_parser(program: str, path: Path, n_ctx: int, weights: int) -> Said:
    """Its figures with no footprint of a platform added.

    It prints sums: with unified memory the cache alone, else cache, compute and weights, and these are the header's.
    """
    command = [program, *gguf_parser_arguments(path, n_ctx)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        return Said(None, None, None)
    device = json.loads(done.stdout)["estimate"]["items"][0]["vrams"][0]
    return Said(device["uma"], device["nonuma"] - device["uma"] - weights, device["nonuma"])


def gguf_parser_arguments(path: Path, n_ctx: int) -> list[str]:
    """The question in gguf-parser's words."""
    options = ["--path", str(path), "--ctx-size", str(n_ctx), "--ubatch-size", "512", "--batch-size", "2048"]
    return [*options, "--flash-attention", "--platform-footprint", "0,0", "--json"]


def ask_hf_mem(python: str, path: Path, n_ctx: int) -> Said:
    """Its weights and cache; it knows no compute buffer. Nothing for a model that it refuses."""
    done = subprocess.run(
        [python, "-c", _HF_MEM, path, str(n_ctx), str(_HEADER_BYTES)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        return Said(None, None, None)
    answer = json.loads(done.stdout)
    return Said(answer["kv"], None, answer["weights"] + (answer["kv"] or 0))


def report_commands(path: Path, peers: Peers) -> None:
    """Whole commands: CPU time and peak memory of the process, the median of several runs, each tool in turn."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "KDMGR_DATA_DIR": folder, "KDMGR_CONFIG_DIR": folder}
        # As installed: compiled modules are kept, wherever this runs.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        fit = [sys.executable, "-m", "kdmgr", "fit", str(path), "--json"]
        commands: dict[str, list[str]] = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "kdmgr fit FILE --json, first": fit,
            "kdmgr fit FILE --json, again": fit,
            "gguf.GGUFReader(FILE)": [sys.executable, "-c", _GGUF_READER, str(path)],
        }
        if peers.gguf_parser:
            commands["gguf-parser --path FILE --json"] = [peers.gguf_parser, *gguf_parser_arguments(path, 8192)]
        if peers.hf_mem_python:
            arguments = [str(path), "8192", str(_HEADER_BYTES)]
            commands["hf-mem's parser"] = [peers.hf_mem_python, "-c", _HF_MEM, *arguments]
        # The machine's bandwidth is measured once, by the very first run.
        run(fit, env)
        seen: dict[str, list[Run]] = {name: [] for name in commands}
        for _ in range(RUNS):
            for name, command in commands.items():
                if seen[name] and seen[name][0].wall > SLOW_S:
                    continue
                if name.endswith("first"):
                    shutil.rmtree(Path(folder) / "cache" / "headers", ignore_errors=True)
                seen[name].append(run(command, env))
    columns = ("command", "CPU, ms", "wall, ms", "peak memory, MiB", "× python -c pass")
    floor = statistics.median(each.cpu for each in seen["python -c pass"])
    print_table(
        f"Commands on {path.name} ({path.stat().st_size / (1 << 30):.2f} GiB)",
        columns,
        [(name, *_medians(runs, floor)) for name, runs in seen.items()],
    )


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took; seconds and bytes."""

    cpu: float
    wall: float
    peak: float


def run(command: list[str], env: dict[str, str]) -> Run:
    """Run `command` and ask the system what it took."""
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH, *command]
    done = subprocess.run(launcher, env=env, capture_output=True, text=True, timeout=300, check=True)
    cpu, wall, peak = map(float, done.stdout.split())
    # Linux counts KiB, macOS bytes.
    return Run(cpu, wall, peak * (1 if sys.platform == "darwin" else 1024))


def _medians(runs: list[Run], floor: float) -> tuple[str, ...]:
    cpu = statistics.median(each.cpu for each in runs)
    wall = statistics.median(each.wall for each in runs)
    peak = statistics.median(each.peak for each in runs)
    return f"{cpu * 1000:.0f}", f"{wall * 1000:.0f}", f"{peak / MIB:.0f}", f"{cpu / floor:.1f}"


def report_calls(path: Path) -> None:
    """Calls in one process: time, and peak memory as Python counts it."""
    import gguf

    shape, machine = read_file_shape(path), paper_machine([HUGE_GIB])
    options = resolve(RunOptions(n_ctx=4096), shape, machine)
    calls: dict[str, Callable[[], object]] = {
        "kdmgr: read header and shape": lambda: read_file_shape(path),
        "kdmgr: place on one GPU": lambda: place(shape, options, machine),
        "gguf.GGUFReader": lambda: gguf.GGUFReader(path),
    }
    rows = [(name, f"{_milliseconds(call):.1f}", f"{_peak(call) / MIB:.1f}") for name, call in calls.items()]
    print_table(f"Calls on {path.name}", ("call", "median, ms", "peak memory, MiB"), rows)


def _milliseconds(call: Callable[[], object]) -> float:
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
        if taken[0] > SLOW_S * 1000:
            break
    return statistics.median(taken)


def _peak(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    main()
