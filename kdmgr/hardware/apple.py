"""Apple's GPUs: one per machine, in the machine's own memory, as sysctl tells."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from kdmgr.fit.machine import Backend, Device
from kdmgr.hardware.declared import working_set_limit
from kdmgr.hardware.probing import Absent
from kdmgr.units import MIB


def read_sysctl(name: str) -> str | None:
    """The value of one sysctl; None when the system does not have it."""
    try:
        ran = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=2, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ran.stdout.strip() or None


def probe_apple(sysctl: Callable[[str], str | None] = read_sysctl, *, platform: str = sys.platform) -> list[Device]:
    """The Apple GPU; `Absent` elsewhere and on Macs with Intel processors."""
    if platform != "darwin":
        raise Absent("not macOS")
    name, memory = sysctl("machdep.cpu.brand_string") or "", sysctl("hw.memsize")
    if not name.startswith("Apple") or not memory:
        raise Absent("no Apple processor")
    total = int(memory)
    wired = int(sysctl("iogpu.wired_limit_mb") or 0) * MIB
    from kdmgr.hardware.table import find_by_driver_name

    card = find_by_driver_name(name, total)
    return [
        Device(
            name=name,
            backend=Backend.METAL,
            total_bytes=total,
            free_bytes=min(wired, total) or working_set_limit(total),
            basis="sysctl and Metal's working-set limit",
            bandwidth=card.bandwidth if card else None,
            bandwidth_basis="GPU table" if card and card.bandwidth else None,
            memory_type=card.memory_type if card else None,
            architecture=card.architecture if card else None,
            fp16_flops=card.fp16_flops if card else None,
            unified=True,
            vendor="apple",
        )
    ]
