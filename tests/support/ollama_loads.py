"""What Ollama's own engine allocates on the CPU: answers of Ollama 0.24.0, in bytes, and how they are asked for.

`tests/data/ollama_engine.jsonl` holds one answer a line; benchmarks/ollama_engine.py wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from http.client import RemoteDisconnected
from pathlib import Path

from kdmgr.fit.options import EngineBuild, ResolvedOptions, resolve
from kdmgr.gguf.shape import ModelShape
from tests.support.comparing import CPU_ONLY
from tests.support.ollama_recipes import ENGINE_RECIPES
from tests.support.ollama_runner import OllamaRunner, speaking
from tests.support.option_sets import OPTION_SETS
from tests.support.shapes import read_file_shape
from tests.support.sparse import write_sparse

DATA = Path(__file__).parents[1] / "data" / "ollama_engine.jsonl"


@dataclass(frozen=True)
class EngineLoad:
    """One model under one option set."""

    model: str
    option_set: str
    weights: int
    cache: int
    graph: int


def read_loads() -> list[EngineLoad]:
    """The recorded answers."""
    return [EngineLoad(**json.loads(line)) for line in DATA.read_text().splitlines()]


def write_loads(loads: list[EngineLoad]) -> None:
    """Record `loads`."""
    DATA.write_text("".join(json.dumps(asdict(load)) + "\n" for load in loads))


def settle(shape: ModelShape, option_set: str) -> ResolvedOptions:
    """The option set as Ollama would start its engine for `shape`."""
    asked = OPTION_SETS[option_set]
    n_ctx = min(asked.n_ctx or 0, shape.n_ctx_train or 0)
    return resolve(replace(asked, n_ctx=n_ctx, engine_build=EngineBuild.OLLAMA_024), shape, CPU_ONLY)


def ask(binary: Path, name: str, folder: Path, option_sets: Iterable[str] = OPTION_SETS) -> list[EngineLoad]:
    """What the engine of the program at `binary` answers for a model; without the sets that it does not survive."""
    path = write_sparse(speaking(ENGINE_RECIPES[name]), folder, name)
    shape, loads = read_file_shape(path), []
    for option_set in option_sets:
        o = settle(shape, option_set)
        try:
            with OllamaRunner(binary, path, folder) as runner:
                found = runner.allocate(o.n_ctx, o.n_parallel, o.n_batch, o.type_k, flash_attn=o.flash_attn)
        except RemoteDisconnected:
            continue
        loads.append(EngineLoad(name, option_set, found.weights, found.cache, found.graph))
    path.unlink()
    return loads
