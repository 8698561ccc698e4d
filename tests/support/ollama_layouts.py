"""Where Ollama 0.24.0 put layers, and what its graphs took, on GPUs that answered as CUDA's do but computed nothing.

`ollama_engine_layouts.jsonl` is what a whole server decided and printed; `ollama_engine_graphs.jsonl` is what its
runner answered, in bytes, for layouts it was given. The GPUs kept no pool, as Vulkan's do not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.machine import Backend, Device
from tests.support.comparing import MIB

_DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Decided:
    """A server's choice. `layers`: device, first and last layer."""

    model: str
    free_mib: list[int]
    n_ctx: int
    num_gpu: int | None
    layers: list[list[int]]
    graph_mib: list[float]
    host_graph_mib: float


@dataclass(frozen=True)
class Reserved:
    """Bytes for a layout such as `hostx12 0x14`: layers on the host, then on device 0."""

    model: str
    option_set: str
    layout: str
    held: list[int]
    graphs: list[int]
    host_graph: int

    @property
    def places(self) -> list[int]:
        """A place for each layer and the output layer."""
        runs = (run.split("x") for run in self.layout.split())
        return [HOST if place == "host" else int(place) for place, count in runs for _ in range(int(count))]


def read_decided() -> list[Decided]:
    """What the server decided."""
    return [Decided(**row) for row in _read("ollama_engine_layouts.jsonl")]


def read_reserved() -> list[Reserved]:
    """What the runner reserved."""
    return [Reserved(**row) for row in _read("ollama_engine_graphs.jsonl")]


def paper_gpus(free_mib: list[int]) -> tuple[Device, ...]:
    """Devices with that much free memory."""
    return tuple(
        Device(f"GPU {index}", Backend.VULKAN, free * MIB, free * MIB, "declared", index=index)
        for index, free in enumerate(free_mib)
    )


def _read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (_DATA / name).read_text().splitlines()]
