"""The planner's figures side by side with the engine's."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kdmgr.fit.compute import compute_buffers, output_buffer
from kdmgr.fit.graph.builder import Place
from kdmgr.fit.kv_cache import layer_bytes, state_bytes
from kdmgr.fit.machine import Host, Machine
from kdmgr.fit.options import ResolvedOptions
from kdmgr.gguf.shape import ModelShape
from tests.support.measure import Measured

MIB = 1 << 20
CPU_ONLY = Machine(devices=(), host=Host("CPU", 2, 64 << 30, 64 << 30, "declared"))


@dataclass(frozen=True)
class Planned:
    """Sizes in MiB when the CPU runs everything."""

    weights: float
    kv_cache: float
    recurrent: float
    compute: float
    output: float


def plan_on_host(shape: ModelShape, options: ResolvedOptions) -> Planned:
    """What the planner says of `shape` on the CPU; every part must be known."""
    assert shape.attention is not None, shape.unknown
    compute = compute_buffers(shape, options, [Place()] * (shape.n_layer + 1), 0).host
    output = output_buffer(shape, options)
    assert compute is not None
    assert output is not None
    return Planned(
        weights=shape.weights.total / MIB,
        kv_cache=sum(layer_bytes(shape.attention, options)) / MIB,
        recurrent=sum(state_bytes(shape, options)) / MIB,
        compute=compute / MIB,
        output=output / MIB,
    )


COMPUTE_WITHIN = 0.05
"""MiB that the plan of a compute buffer may be off."""


def compare(planned: Planned, measured: Measured, *, weights_within: float) -> None:
    """Caches and states to the printed digit, compute buffers nearly so.

    A model with sliding layers has two caches, each of them printed rounded.
    """
    assert planned.weights == pytest.approx(measured.weights, abs=weights_within)
    assert planned.kv_cache == pytest.approx(measured.kv_cache, abs=0.011)
    assert planned.recurrent == pytest.approx(measured.recurrent, abs=0.006)
    assert planned.compute == pytest.approx(measured.compute, abs=COMPUTE_WITHIN)
    assert planned.output == pytest.approx(measured.output, abs=0.006)
