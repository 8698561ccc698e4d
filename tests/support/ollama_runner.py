"""Ollama's own engine asked what it would allocate: its runner answers to the byte, without loading a weight.

Source: Ollama v0.24.0, runner/ollamarunner/runner.go (`load`, `LoadOperationFit`).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.sparse import Recipe

_TOKENS = [f"token {index}" for index in range(8)]
_TOKENIZERS = {
    "gemma3": "llama",
    "gemma3n": "llama",
    "bert": "bert",
    "nomic-bert": "bert",
}
_PRE_TOKENIZERS = {"deepseek2": "deepseek-v3", "lfm2": "lfm2", "lfm2moe": "lfm2"}


@dataclass(frozen=True)
class Allocated:
    """Bytes on the CPU, as the server would log them."""

    weights: int
    cache: int
    graph: int


def speaking(recipe: Recipe) -> Recipe:
    """`recipe` with as much of a vocabulary as the engine insists on, and the keys its own files have."""
    arch = recipe.architecture
    added: dict[str, Any] = {
        "tokenizer.ggml.model": _TOKENIZERS.get(arch, "gpt2"),
        "tokenizer.ggml.pre": _PRE_TOKENIZERS.get(arch, "default"),
        "tokenizer.ggml.tokens": _TOKENS,
        "tokenizer.ggml.scores": [0.0] * len(_TOKENS),
        "tokenizer.ggml.token_type": [1] * len(_TOKENS),
        "tokenizer.ggml.merges": ["t o"],
    }
    if arch == "gemma3n":
        n_layer = recipe.metadata["gemma3n.block_count"]
        added["gemma3n.activation_sparsity_scale"] = [1.5 if layer < 10 else 0.0 for layer in range(n_layer)]
        added["gemma3n.rope.freq_base"] = 1e6
    return replace(recipe, metadata={**recipe.metadata, **added})


class OllamaRunner:
    """One model in the engine of the program at `binary`; ends with the block."""

    def __init__(self, binary: Path, model: Path, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._log = (home / "runner.log").open("wb")
        self._process = subprocess.Popen(
            [str(binary), "runner", "--ollama-engine", "--model", str(model), "--port", str(self._port)],
            env={**os.environ, "HOME": str(home)},
            stdout=self._log,
            stderr=self._log,
        )

    def __enter__(self) -> OllamaRunner:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                self._ask("health")
            except OSError:
                time.sleep(0.02)
            else:
                return self
        raise TimeoutError("the runner does not answer")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()

    def allocate(
        self, n_ctx: int, n_parallel: int = 1, n_batch: int = 512, cache: str = "f16", *, flash_attn: bool = True
    ) -> Allocated:
        """What the engine would take on the CPU. `n_ctx` is per slot."""
        asked = {
            "Operation": 0,
            "Parallel": n_parallel,
            "BatchSize": min(n_batch, n_ctx),
            "FlashAttention": int(flash_attn),
            "KvSize": n_ctx * n_parallel,
            "KvCacheType": cache,
            "NumThreads": 1,
        }
        memory = json.loads(self._ask("load", json.dumps(asked).encode()))["Memory"]
        cpu = memory["CPU"]
        return Allocated(memory["InputWeights"] + sum(cpu["Weights"]), sum(cpu["Cache"]), cpu["Graph"])

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/{path}", body)
        with urllib.request.urlopen(request, timeout=60) as answer:
            read: bytes = answer.read()
            return read
