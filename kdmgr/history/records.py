"""What is written down of a load and of an answer. Bytes; None is unknown."""

from __future__ import annotations

from dataclasses import dataclass

NEAR = 0.25
"""A plan further off than this put layers elsewhere, or sized another model: nothing can be learned from it."""


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """One load of a model: what was planned, and what it took."""

    at: str
    """UTC, ISO 8601."""
    machine: str
    """What tells machines apart for the purpose of memory: see `machine_key`."""
    engine: str
    engine_version: str | None
    model: str
    digest: str | None
    """Of its manifest or file, in hex."""
    n_ctx: int | None
    predicted_host: int | None
    """Planned for the host, without overhead."""
    predicted_device: int | None
    """Planned for all devices together, without overhead."""
    size: int | None
    """As the server says: host and devices."""
    size_vram: int | None
    process_host: int | None
    """Resident memory of the process that holds it."""
    process_device: int | None
    """What the driver says that process takes, over all devices."""
    load_s: float | None = None

    @property
    def predicted(self) -> int | None:
        """Planned in all, without overhead: what the server counts."""
        if self.predicted_host is None or self.predicted_device is None:
            return None
        return self.predicted_host + self.predicted_device

    @property
    def error(self) -> float | None:
        """How far the plan was off what the server says, relative to that; positive: planned too much."""
        if not self.size or self.predicted is None:
            return None
        return self.predicted / self.size - 1

    @property
    def device_overhead(self) -> int | None:
        """What the process takes on devices beside the planned buffers, where the plan was about right."""
        if self.process_device is None or not _agree(self.predicted_device, self.size_vram):
            return None
        return self.process_device - (self.predicted_device or 0)

    @property
    def host_overhead(self) -> int | None:
        """What the process takes of the host beside the planned buffers; only with no device in play.

        With one, the driver's mappings would count as the process's own.
        """
        if self.size_vram != 0 or self.process_host is None or not _agree(self.predicted, self.size):
            return None
        return self.process_host - (self.predicted or 0)


def _agree(predicted: int | None, actual: int | None) -> bool:
    """Whether both are known and near each other. Servers do not count all: 0.24 leaves compute buffers out."""
    return bool(predicted and actual) and abs((predicted or 0) - (actual or 0)) <= (actual or 0) * NEAR


@dataclass(frozen=True, slots=True)
class SpeedRecord:
    """How fast one answer was generated."""

    at: str
    machine: str
    engine: str
    engine_version: str | None
    model: str
    digest: str | None
    n_ctx: int | None
    n_prompt: int | None
    n_output: int | None
    decode_tok_s: float
