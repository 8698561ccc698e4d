"""How fast models have answered on this very machine: what was measured beats what is predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError
from kdmgr.fit.plan import Speed

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.services.app import Services

NEWEST_SPEEDS = 5


def measured_speed(services: Services, name: str, machine: Machine) -> Speed | None:
    """The median of the newest answers of the model; None where none was measured, or for a machine declared."""
    from kdmgr.services.learning import machine_key

    if machine.declared or not services.paths.history.exists():
        return None
    try:
        rows = services.history.speeds(name, machine=machine_key(machine), limit=NEWEST_SPEEDS)
    except KdmgrError:
        return None
    speeds = [row.decode_tok_s for row in rows]
    if not speeds:
        return None
    from statistics import median

    return Speed(median(speeds), min(speeds), max(speeds), f"median of {len(speeds)} answers here", "measured")
