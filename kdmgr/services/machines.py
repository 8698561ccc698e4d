"""The machine to plan for: this one, or one that the user names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from kdmgr.fit.machine import Host, Machine
from kdmgr.hardware.cpu import probe_host
from kdmgr.hardware.detect import detect_machine
from kdmgr.paths import Paths


def detect(paths: Paths, env: Mapping[str, str]) -> Machine:
    """Devices and host as they are now."""
    machine = detect_machine(env=env)
    return replace(machine, host=_with_bandwidth(machine.host, paths))


def look(env: Mapping[str, str]) -> Machine:
    """The same without the host's bandwidth: nothing is measured, so it can be done every other second."""
    return detect_machine(env=env)


def declare(paths: Paths, gpus: Sequence[str], vram: str | None, host: Host | None = None) -> Machine:
    """The named devices in `host`, or in this one."""
    from kdmgr.hardware.declared import declare_machine
    from kdmgr.units import parse_bytes

    host = host or _with_bandwidth(probe_host(), paths)
    return declare_machine(gpus, None if vram is None else parse_bytes(vram), host)


def _with_bandwidth(host: Host, paths: Paths) -> Host:
    """`host` with its memory bandwidth, measured (half a second) unless it is remembered."""
    from kdmgr.hardware.bandwidth import measure_host_bandwidth, remember_bandwidth, remembered_bandwidth

    bandwidth = remembered_bandwidth(paths.cache, host)
    if bandwidth is None:
        bandwidth = measure_host_bandwidth(host.n_cores or 1)
        if bandwidth is not None:
            # A cache that cannot be written only costs the next run the same half second.
            with suppress(OSError):
                remember_bandwidth(paths.cache, host, bandwidth)
    return replace(host, bandwidth=bandwidth)
