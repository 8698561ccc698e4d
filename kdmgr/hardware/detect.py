"""The machine as it is: every probe at once, each in its time limit."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from kdmgr.fit.machine import Device, Machine, Probe
from kdmgr.hardware.cpu import probe_host
from kdmgr.hardware.probing import Absent

TIME_LIMIT_S = 2.0

Find = Callable[[], list[Device]]


def detect_machine(
    *,
    root: Path = Path("/"),
    env: Mapping[str, str] = os.environ,
    platform: str = sys.platform,
    nvml: Any = None,
    time_limit_s: float = TIME_LIMIT_S,
    host_bandwidth: int | None = None,
) -> Machine:
    """Devices and host as found now. A driver that hangs costs `time_limit_s`, once, and is reported."""
    from kdmgr.hardware.nvidia import probe_nvidia
    from kdmgr.hardware.sysfs import probe_amd, probe_intel

    finders: dict[str, Find] = {"nvidia": lambda: probe_nvidia(root, env, nvml, platform=platform)}
    if platform == "linux":
        finders["amd"] = lambda: probe_amd(root, env)
        finders["intel"] = lambda: probe_intel(root)
    if platform == "darwin":
        from kdmgr.hardware.apple import probe_apple

        finders["apple"] = lambda: probe_apple(platform=platform)
    devices, probes = run_probes(finders, time_limit_s)
    return Machine(devices, probe_host(root, platform=platform, bandwidth=host_bandwidth), probes=probes)


def run_probes(finders: Mapping[str, Find], time_limit_s: float) -> tuple[tuple[Device, ...], tuple[Probe, ...]]:
    """Run `finders` side by side. Their threads are daemons: one that hangs cannot keep the program alive."""
    outcomes: dict[str, tuple[list[Device], Probe]] = {}

    def look(name: str, find: Find) -> None:
        outcomes[name] = _look(name, find)

    threads = {name: threading.Thread(target=look, args=(name, find), daemon=True) for name, find in finders.items()}
    for thread in threads.values():
        thread.start()
    deadline = monotonic() + time_limit_s
    for thread in threads.values():
        thread.join(max(deadline - monotonic(), 0))
    late = Probe("", "timed out", f"no answer within {time_limit_s:g} s")
    devices: list[Device] = []
    probes: list[Probe] = []
    for name in finders:
        found, probe = outcomes.get(name, ([], Probe(name, late.outcome, late.detail)))
        devices += found
        probes.append(probe)
    return tuple(devices), tuple(probes)


def _look(name: str, find: Find) -> tuple[list[Device], Probe]:
    try:
        found = find()
    except Absent as absence:
        return [], Probe(name, "absent", str(absence))
    except Exception as error:
        # A driver may fail in any way it likes; the machine is described without it, and says so.
        return [], Probe(name, "failed", f"{type(error).__name__}: {error}")
    return found, Probe(name, "found", ", ".join(device.name for device in found))
