"""The machine a model would run on: its devices and its host memory, as found or as declared."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Backend(StrEnum):
    """The compute library that drives a device."""

    CUDA = "cuda"
    ROCM = "rocm"
    METAL = "metal"
    VULKAN = "vulkan"
    SYCL = "sycl"


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds memory on a device. `used_bytes` is None where the driver does not tell."""

    pid: int
    name: str | None
    used_bytes: int | None


@dataclass(frozen=True, slots=True)
class MeasuredOverhead:
    """What an engine's process was seen to take beside its buffers, and in how many loads. Bytes."""

    size: int
    basis: str


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU. Sizes in bytes; `bandwidth` in bytes per second, of this card alone."""

    name: str
    backend: Backend
    total_bytes: int
    free_bytes: int
    """Free now; for a declared device all of it. For a unified one, what the system lets the GPU use."""
    basis: str
    """How it is known: "NVML", "sysfs", "GPU table", "declared" …"""
    index: int = 0
    uuid: str | None = None
    bandwidth: int | None = None
    bandwidth_basis: str | None = None
    memory_type: str | None = None
    architecture: str | None = None
    """The vendor's generation: "Ampere", "RDNA 3.0" …"""
    compute_capability: str | None = None
    fp16_flops: float | None = None
    driver: str | None = None
    unified: bool = False
    """Whether its memory is the host's (Apple, integrated GPUs)."""
    processes: tuple[GpuProcess, ...] = ()
    vendor: str | None = None
    """"nvidia", "amd", "intel" or "apple"; of a Vulkan device, which may be anybody's, None where it is not known."""
    overhead: MeasuredOverhead | None = None
    """As loads on this machine showed it; None while there were too few."""
    busy: float | None = None
    """Share of the last moment in which it computed, 0 to 1, as the driver says."""

    @property
    def used_bytes(self) -> int:
        """Taken by others already."""
        return max(self.total_bytes - self.free_bytes, 0)


@dataclass(frozen=True, slots=True)
class Host:
    """The CPU and its memory, within the limits a container sets."""

    cpu: str | None
    n_cores: int | None
    """Cores this process may use; None for another computer's."""
    total_bytes: int | None
    available_bytes: int | None
    basis: str
    """"/proc/meminfo", "cgroup limit", "sysctl" …"""
    bandwidth: int | None = None
    """Bytes per second, measured; None until it has been."""
    load: float | None = None
    """Runnable tasks over the last minute, as the system counts them."""
    overhead: MeasuredOverhead | None = None
    """As loads on this machine showed it; None while there were too few."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What one probe of the hardware said. An absent vendor is an answer, not a failure."""

    name: str
    outcome: str
    """"found", "absent", "failed" or "timed out"."""
    detail: str


@dataclass(frozen=True, slots=True)
class Machine:
    """Devices in the engine's order, and the host."""

    devices: tuple[Device, ...]
    host: Host
    declared: bool = False
    """Whether the devices were named by the user rather than found."""
    probes: tuple[Probe, ...] = ()
    owner: str | None = None
    """The name of another computer that this is; None for this one and for a declared one."""
    devices_known: bool = True
    """False for another computer whose devices nobody declared: then there are none here, and nothing fits or not."""

    @property
    def total_device_bytes(self) -> int:
        """Memory of all devices together, used or free."""
        return sum(device.total_bytes for device in self.devices)
