"""Loads that kdmgr caused, predicted against actual, and what was learned from them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from kdmgr.services.learning import LEAST_LOADS, learn, machine_key

if TYPE_CHECKING:
    from kdmgr.fit.machine import MeasuredOverhead
    from kdmgr.history.records import LoadRecord, SpeedRecord
    from kdmgr.services.app import Services


@dataclass(frozen=True, slots=True)
class LoadHistory:
    """The newest loads first."""

    loads: tuple[LoadRecord, ...]
    speeds: tuple[SpeedRecord, ...]
    median_error: float | None
    """Median of how far plans were off, up or down, relative to the actual size; None without one."""
    host_overhead: MeasuredOverhead | None
    device_overhead: MeasuredOverhead | None
    notes: tuple[str, ...]

    @property
    def n_compared(self) -> int:
        """Loads for which there were both figures."""
        return sum(load.error is not None for load in self.loads)


def read_history(services: Services, model: str | None, *, limit: int = 50) -> LoadHistory:
    """The loads of one model, or of all; what was learned is of all loads on this machine."""
    from kdmgr.fit.placement import usable_devices
    from kdmgr.refs import parse_ollama_name

    name = str(parse_ollama_name(model)) if model else None
    loads = services.history.loads(name, limit=limit)
    machine = services.machine()
    here = services.history.loads(machine=machine_key(machine))
    errors = [abs(load.error) for load in loads if load.error is not None]
    return LoadHistory(
        loads=tuple(loads),
        speeds=tuple(services.history.speeds(name, limit=limit)),
        median_error=median(errors) if errors else None,
        host_overhead=learn([load.host_overhead for load in here]),
        device_overhead=learn([load.device_overhead for load in here], shared_by=max(len(usable_devices(machine)), 1)),
        notes=tuple(services.history_notes),
    )


def describe_learning(history: LoadHistory) -> list[str]:
    """What plans on this machine use, in words."""
    from kdmgr.units import format_bytes

    found = [
        f"overhead of {place}: {format_bytes(learned.size)}, {learned.basis}"
        for place, learned in (("the host", history.host_overhead), ("a GPU", history.device_overhead))
        if learned is not None
    ]
    return found or [f"overhead: as measured elsewhere; {LEAST_LOADS} loads with a figure of this machine change that"]
