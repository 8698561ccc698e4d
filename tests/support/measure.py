"""What the embedded engine really allocates: run llama.cpp in a child process and read its log."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

# Destroying a server that was never asked anything can deadlock, so the process just exits.
# Repacked weights (no_extra_bufts) are left out: a sparse model has no data to repack.
_LOAD = """
import os, sys, xllamacpp as x
path, n_ctx, type_k, type_v, n_parallel, n_ubatch, flash_attn, dry = sys.argv[1:]
params = x.CommonParams()
params.model.path = path
params.n_ctx = int(n_ctx) * int(n_parallel)
params.n_parallel = int(n_parallel)
params.n_ubatch = int(n_ubatch)
params.n_batch = max(2048, int(n_ubatch))
params.cache_type_k = getattr(x.ggml_type, "GGML_TYPE_" + type_k.upper())
params.cache_type_v = getattr(x.ggml_type, "GGML_TYPE_" + type_v.upper())
states = x.llama_flash_attn_type
params.flash_attn_type = (
    states.LLAMA_FLASH_ATTN_TYPE_ENABLED if flash_attn == "1" else states.LLAMA_FLASH_ATTN_TYPE_DISABLED
)
params.fit_params = dry == "1"
params.verbosity = 5 if params.fit_params else 4
params.warmup = False
params.cache_ram_mib = 0
params.cpuparams.n_threads = 1
params.no_extra_bufts = True
try:
    x.Server(params)
finally:
    sys.stderr.flush()
    os._exit(0)
"""
_BUFFER = re.compile(r" (model|KV|RS|compute|output) buffer size =\s+([\d.]+) MiB")
_CACHE = re.compile(r"llama_(kv_cache|memory_recurrent): size =\s+([\d.]+) MiB")
_HOST = re.compile(r"- Host +\| +\d+ = +(\d+) \+")


@dataclass(frozen=True)
class Measured:
    """Buffer sizes in MiB, as printed: two decimals, but whole MiB for the weights of a dry run."""

    weights: float
    kv_cache: float
    recurrent: float
    compute: float
    output: float


def measure(
    path: Path,
    n_ctx: int,
    *,
    type_k: str = "f16",
    type_v: str = "f16",
    n_parallel: int = 1,
    n_ubatch: int = 512,
    flash_attn: bool = True,
    dry: bool = False,
) -> Measured:
    """The sizes that llama.cpp prints for `path`.

    `dry` asks for its own projection, which reads no weights and equals the later buffers.
    """
    arguments = (path, n_ctx, type_k, type_v, n_parallel, n_ubatch, int(flash_attn), int(dry))
    command = [sys.executable, "-c", _LOAD, *map(str, arguments)]
    log = _read_until(command, "common_params_fit_impl: projected" if dry else "graph: nodes")
    sizes = dict.fromkeys(("model", "KV", "RS", "compute", "output"), 0.0)
    for kind, size in _BUFFER.findall(log):
        sizes[kind] += float(size)
    if dry:
        sizes["model"] = sum(float(size) for size in _HOST.findall(log))
        # States are allocated even in a dry run, so their buffer line would count them twice.
        sizes["RS"] = 0.0
        for kind, size in _CACHE.findall(log):
            sizes["KV" if kind == "kv_cache" else "RS"] += float(size)
    if not sizes["compute"]:
        raise AssertionError(f"the engine did not load {path.name}:\n{log[-2000:]}")
    return Measured(sizes["model"], sizes["KV"], sizes["RS"], sizes["compute"], sizes["output"])


def _read_until(command: list[str], last: str, limit_s: float = 60) -> str:
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    timer = threading.Timer(limit_s, child.kill)
    timer.start()
    lines: list[str] = []
    try:
        assert child.stderr is not None
        for line in child.stderr:
            lines.append(line)
            if last in line:
                break
    finally:
        timer.cancel()
        child.kill()
        child.communicate()
    return "".join(lines)
