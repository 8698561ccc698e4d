"""What a header does not say: the rules that llama.cpp applies per architecture.

One row per architecture whose memory is understood. Source of each: the architecture's `load_arch_hparams`
and graph in llama.cpp (src/models), held against what the engine allocates by tests/fit/test_exactness.py.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """How one architecture uses its layers."""

    swa_period: int = 0
    """Every `swa_period`-th layer attends to the whole context, the others slide; 0: none slides."""


RULES: dict[str, Rules] = {
    "llama": Rules(),
    "qwen2": Rules(),
    "qwen3": Rules(),
    # llama.cpp reads the window of phi3 files and switches it off ("Phi SWA is currently disabled").
    "phi3": Rules(),
    "gemma3": Rules(swa_period=6),
}
