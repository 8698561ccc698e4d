"""How busy the processor is: two readings of its counters, and what lies between them.

Source: proc_stat(5). Other systems tell nothing here.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class CpuTimes(NamedTuple):
    """Ticks since the start of the system, of all processors together."""

    busy: int
    total: int


def read_cpu_times(root: Path = Path("/")) -> CpuTimes | None:
    """The counters as they stand; None where the system has none to read."""
    try:
        first = (root / "proc/stat").read_text(encoding="ascii", errors="replace").partition("\n")[0].split()
    except OSError:
        return None
    # user nice system idle iowait irq softirq steal; guest time is part of user's.
    ticks = [int(field) for field in first[1:9] if field.isdigit()]
    if first[:1] != ["cpu"] or len(ticks) < 4:
        return None
    return CpuTimes(sum(ticks) - sum(ticks[3:5]), sum(ticks))


def busy_between(before: CpuTimes | None, after: CpuTimes | None) -> float | None:
    """Share of the time between two readings that was worked, 0 to 1; None without two that differ."""
    if before is None or after is None or after.total <= before.total:
        return None
    return min(max((after.busy - before.busy) / (after.total - before.total), 0.0), 1.0)
