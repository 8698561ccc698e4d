"""Whose the memory of a device is: held by loaded models, by others, or free. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.services.proportions import Part

if TYPE_CHECKING:
    from kdmgr.fit.machine import Device, Machine
    from kdmgr.services.monitoring import Holding

_ENGINES = ("ollama", "llama-server")
"""In the names of processes that run models."""


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """One device. Sizes in bytes; None is unknown."""

    name: str
    total: int | None
    free: int | None
    models: int | None
    basis: str
    """Who says what the models hold."""
    busy: float | None = None
    unified: bool = False

    @property
    def used(self) -> int | None:
        """By anybody."""
        return None if self.total is None or self.free is None else max(self.total - self.free, 0)

    @property
    def parts(self) -> list[Part]:
        """What its bar is made of; an unknown rest of the memory is a part too."""
        if self.total is None:
            return []
        if self.used is None:
            held = min(self.models or 0, self.total)
            rest = Part("unknown", "not known", "?", self.total - held)
            return _present(Part("weights", "models", "█", held), rest)
        held = min(self.models or 0, self.used)
        label = "in use" if self.models is None else "others"
        others = Part("in-use", label, "░", self.used - held)
        return _present(others, Part("weights", "models", "█", held), Part("free", "free", "·", self.free))


def device_uses(machine: Machine, here: Sequence[Holding]) -> list[DeviceUse]:
    """The devices of this machine, with what the models loaded on it hold of each."""
    return [_use(device, machine, here) for device in machine.devices]


def declared_uses(machine: Machine, loaded: Sequence[Holding]) -> list[DeviceUse]:
    """The devices of another computer: how large they are was declared, what is free there nobody can see."""
    held = _on_devices(loaded) if len(machine.devices) == 1 else None
    basis = "as the server says" if held is not None else ""
    return [DeviceUse(device.name, device.total_bytes, None, held, basis) for device in machine.devices]


def host_held(here: Sequence[Holding]) -> int | None:
    """What loaded models hold of the host's memory; None where one of them does not say."""
    spills = [held.residence.spill for held in here]
    known = [spill for spill in spills if spill is not None]
    return sum(known) if len(known) == len(spills) else None


def _use(device: Device, machine: Machine, here: Sequence[Holding]) -> DeviceUse:
    held, basis = _held_of(device, here)
    if held is None and len(machine.devices) == 1:
        held, basis = _on_devices(here), "as the engine says"
    return DeviceUse(
        device.name,
        device.total_bytes,
        device.free_bytes,
        held,
        basis if held is not None else "not told for each device",
        device.busy,
        device.unified,
    )


def _held_of(device: Device, here: Sequence[Holding]) -> tuple[int | None, str]:
    """By the driver's list of processes; None where it keeps their sizes to itself, or finds none to blame."""
    if not here:
        return 0, "nothing is loaded"
    workers = {held.worker_pid for held in here} - {None}
    mine = [
        process.used_bytes
        for process in device.processes
        if process.pid in workers or any(engine in (process.name or "") for engine in _ENGINES)
    ]
    known = [used for used in mine if used is not None]
    return (sum(known), "as the driver says") if known and len(known) == len(mine) else (None, "")


def _on_devices(holdings: Sequence[Holding]) -> int | None:
    sizes = [held.residence.model.size_vram for held in holdings]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _present(*parts: Part) -> list[Part]:
    return [part for part in parts if part.size]
