"""Machines for the tests, declared number by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kdmgr.fit.machine import Backend, Device, Host, Machine
from kdmgr.fit.overhead import device_overhead

GIB = 1 << 30


def host(available_gib: float = 32, *, bandwidth: int | None = None) -> Host:
    return Host("Test CPU", 8, 64 * GIB, int(available_gib * GIB), "declared", bandwidth)


def gpu(free_gib: float, *, total_gib: float | None = None, backend: Backend = Backend.CUDA) -> Device:
    """An Ampere card with the bandwidth of an RTX 3060."""
    return Device(
        name="RTX 3060",
        backend=backend,
        total_bytes=int((total_gib or free_gib) * GIB),
        free_bytes=int(free_gib * GIB),
        basis="declared",
        bandwidth=360_000_000_000,
        bandwidth_basis="GPU table",
        memory_type="GDDR6",
        architecture="Ampere",
        compute_capability="8.6",
    )


def machine(*devices: Device, available_gib: float = 32, bandwidth: int | None = None) -> Machine:
    return Machine(devices=devices, host=host(available_gib, bandwidth=bandwidth), declared=True)


def paper_machine(free_gib: Sequence[float], *, available_gib: float = 256) -> Machine:
    """CUDA devices with `free_gib` for the engine's buffers, beside what the driver's context takes."""
    devices = []
    for index, free in enumerate(free_gib):
        card = gpu(free)
        room = card.free_bytes + (device_overhead(card).size or 0)
        devices.append(replace(card, index=index, total_bytes=room, free_bytes=room))
    return machine(*devices, available_gib=available_gib)
