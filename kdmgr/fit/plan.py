"""What a loaded model takes, where: the result of planning. Integers are bytes; None is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kdmgr.fit.machine import Machine
from kdmgr.fit.options import ResolvedOptions
from kdmgr.gguf.shape import ModelShape

if TYPE_CHECKING:
    from kdmgr.fit.estimator import Estimate


class Verdict(StrEnum):
    """Whether, and how, a model runs on a machine."""

    FITS = "fits"
    TIGHT = "tight"
    PARTIAL = "partial"
    CPU = "cpu"
    TOO_BIG = "too big"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Components:
    """Memory by what it is for."""

    weights: int = 0
    kv_cache: int | None = 0
    recurrent: int | None = 0
    compute: int | None = 0
    projector: int = 0
    overhead: int | None = 0

    @property
    def total(self) -> int | None:
        """The sum; None when any part is unknown."""
        parts = (self.weights, self.kv_cache, self.recurrent, self.compute, self.projector, self.overhead)
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None

    @property
    def known(self) -> int:
        """The sum of the parts that are known: a lower bound."""
        parts = (self.weights, self.kv_cache, self.recurrent, self.compute, self.projector, self.overhead)
        return sum(part for part in parts if part is not None)

    def __add__(self, other: Components) -> Components:
        return Components(
            self.weights + other.weights,
            _add(self.kv_cache, other.kv_cache),
            _add(self.recurrent, other.recurrent),
            _add(self.compute, other.compute),
            self.projector + other.projector,
            _add(self.overhead, other.overhead),
        )


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """One place (a GPU, or the host) and what would be put there."""

    name: str
    kind: str
    """The device's backend, or "host"."""
    total_bytes: int | None
    free_bytes: int | None
    n_layers: int
    """Blocks placed here, the output layer counted as one."""
    components: Components
    reads: int = 0
    """Bytes of weights that one token makes this place read."""
    n_expert_layers: int = 0
    """Of the layers here, those whose experts stay in host memory."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Where every byte goes."""

    devices: tuple[DevicePlan, ...]
    host: DevicePlan
    n_gpu_layers: int
    n_layers: int
    """Blocks and the output layer: what "all on the GPU" means."""
    estimate: Estimate | None = None
    """What the layers were given out by, where the engine does not allocate before it decides."""

    @property
    def n_expert_layers(self) -> int:
        """Layers on devices whose experts stay in host memory."""
        return sum(device.n_expert_layers for device in self.devices)

    @property
    def whole(self) -> bool:
        """Whether devices hold every layer, with all it has."""
        return self.n_gpu_layers == self.n_layers and not self.n_expert_layers

    @property
    def components(self) -> Components:
        """Over all places."""
        total = self.host.components
        for device in self.devices:
            total += device.components
        return total


@dataclass(frozen=True, slots=True)
class PromptSpeed:
    """Expected speed of reading a prompt, in tokens per second: a range, as there is no figure to trust."""

    low_tok_s: float
    high_tok_s: float
    basis: str

    def __str__(self) -> str:
        """Both ends to two digits: no more are known."""
        low, high = (float(f"{bound:.2g}") for bound in (self.low_tok_s, self.high_tok_s))
        return f"{low:.0f}–{high:.0f} tok/s"


@dataclass(frozen=True, slots=True)
class Speed:
    """Expected decoding speed, in tokens per second, with its honest spread."""

    decode_tok_s: float | None
    """The figure to plan with; None where only a bound, or only words, are known."""
    low_tok_s: float | None
    high_tok_s: float | None
    basis: str
    """What it follows from, in words: quant, backend, bandwidth and where that is known from, depth."""
    grade: str
    """"measured", "high", "medium", "low", "words", or "bound": no more than `high_tok_s`."""
    rough: bool = False
    """Whether the figure is to be introduced with "roughly"."""
    words: str | None = None
    """The speed where the grade is "words": "slow: below reading pace"."""
    full_tok_s: float | None = None
    """The figure with all of n_ctx in use."""
    full_words: str | None = None
    """The same where the grade is "words"."""
    prompt: PromptSpeed | None = None


@dataclass(frozen=True, slots=True)
class FitReport:
    """The answer to "does it fit, and how fast?"."""

    ref: str
    source: str
    """"file", "store", "server", "registry" or "huggingface"."""
    shape: ModelShape
    machine: Machine
    options: ResolvedOptions
    plan: MemoryPlan
    verdict: Verdict
    reason: str
    headroom_bytes: int | None
    """Free memory left where the model runs; negative by how much is missing."""
    max_n_ctx: int | None
    """Largest context with the same verdict class on the same places; None when it cannot be derived."""
    speed: Speed | None
    alternatives: tuple[str, ...]
    """What else could be tried, most useful first, each a sentence."""
    unknown: tuple[str, ...]
    """What could not be derived, and why."""


def _add(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left + right
