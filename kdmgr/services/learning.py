"""Overheads as the loads on this machine showed them: only from enough of them, and within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kdmgr.fit.machine import MeasuredOverhead
from kdmgr.units import GIB

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.history.records import LoadRecord

LEAST_LOADS = 3
NEWEST = 20
LARGEST = 2 * GIB
"""No context of a driver or of a process is larger: what is, was something else."""


def machine_key(machine: Machine) -> str:
    """What a process's overhead depends on: the processor, the devices and their drivers."""
    devices = (f"{device.name} {device.total_bytes} {device.driver or ''}".strip() for device in machine.devices)
    return " | ".join([machine.host.cpu or "?", *sorted(devices)])


def with_learned(machine: Machine, loads: Sequence[LoadRecord]) -> Machine:
    """`machine` with the overheads of `loads`, the newest first, that were measured on it."""
    from kdmgr.fit.placement import usable_devices

    used = usable_devices(machine)
    on_host = learn([load.host_overhead for load in loads])
    on_device = learn([load.device_overhead for load in loads], shared_by=max(len(used), 1))
    devices = tuple(
        replace(device, overhead=on_device) if on_device and device in used else device for device in machine.devices
    )
    return replace(machine, devices=devices, host=replace(machine.host, overhead=on_host))


def learn(samples: Sequence[int | None], *, shared_by: int = 1) -> MeasuredOverhead | None:
    """The median of the newest samples; None while there are too few."""
    sound = [sample for sample in samples if sample is not None and 0 <= sample <= LARGEST * shared_by][:NEWEST]
    if len(sound) < LEAST_LOADS:
        return None
    from statistics import median_low

    words = f"median of {len(sound)} loads on this machine"
    if shared_by > 1:
        words += f", shared by {shared_by} devices"
    return MeasuredOverhead(median_low(sound) // shared_by, words)
