"""NVIDIA devices through NVML (`pynvml`, the module of `nvidia-ml-py`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdmgr.fit.machine import Backend, Device, GpuProcess
from kdmgr.hardware.probing import Absent
from kdmgr.units import format_speed

if TYPE_CHECKING:
    from kdmgr.hardware.table import Card

# NVML_DEVICE_ARCH_* (nvml.h) → the generation's name as the GPU table has it.
ARCHITECTURES = {
    2: "Kepler",
    3: "Maxwell",
    4: "Pascal",
    5: "Volta",
    6: "Turing",
    7: "Ampere",
    8: "Ada Lovelace",
    9: "Hopper",
    10: "Blackwell",
}
# Published bandwidths and NVML's differ by 2 % at most; a clock that is further off was misread or capped.
_TRUSTED_WITHIN = 0.25
_DRIVER_SIGNS = ("proc/driver/nvidia", "dev/nvidiactl", "dev/dxg")


def probe_nvidia(
    root: Path = Path("/"), env: Mapping[str, str] = os.environ, nvml: Any = None, *, platform: str = "linux"
) -> list[Device]:
    """The devices NVML reports, in CUDA's numbering. `Absent` when there is no driver or no device."""
    nvml = nvml or _load_nvml(root, platform)
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise Absent(f"NVML: {error}") from error
    try:
        driver = _text(nvml.nvmlSystemGetDriverVersion())
        handles = [nvml.nvmlDeviceGetHandleByIndex(at) for at in range(nvml.nvmlDeviceGetCount())]
        devices = [_read_device(nvml, handle, at, driver) for at, handle in enumerate(handles)]
    finally:
        nvml.nvmlShutdown()
    visible = select_visible(devices, env.get("CUDA_VISIBLE_DEVICES"))
    if not visible:
        raise Absent("NVML reports no device" if not devices else "CUDA_VISIBLE_DEVICES hides every device")
    return visible


def _load_nvml(root: Path, platform: str) -> Any:
    """NVML's module, which is not even imported where there is plainly no driver."""
    if platform == "linux" and not any((root / sign).exists() for sign in _DRIVER_SIGNS):
        raise Absent("no NVIDIA driver is loaded")
    import pynvml

    return pynvml


def select_visible(devices: list[Device], variable: str | None) -> list[Device]:
    """The devices that CUDA_VISIBLE_DEVICES leaves, in its order: indices or the beginnings of UUIDs.

    As in CUDA, the list ends at the first entry that names no device.
    """
    if variable is None:
        return devices
    chosen: list[Device] = []
    for entry in map(str.strip, variable.split(",")):
        if entry.isdigit():
            found = [device for device in devices if device.index == int(entry)]
        else:
            found = [device for device in devices if entry and device.uuid and device.uuid.startswith(entry)]
        if len(found) != 1:
            break
        chosen += found
    return chosen


def memory_bandwidth(clock_mhz: int, bus_bits: int) -> int:
    """Peak bytes per second: NVML's memory clock is half the transfer rate of GDDR and HBM alike."""
    return clock_mhz * 1_000_000 * 2 * bus_bits // 8


def _read_device(nvml: Any, handle: Any, index: int, driver: str) -> Device:
    name = _text(nvml.nvmlDeviceGetName(handle))
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    told = _told_bandwidth(nvml, handle)
    card = _find_card(name, int(memory.total), told)
    bandwidth, basis = choose_bandwidth(told, card)
    capability = _ask(nvml, nvml.nvmlDeviceGetCudaComputeCapability, handle)
    architecture = _ask(nvml, nvml.nvmlDeviceGetArchitecture, handle)
    return Device(
        name=name,
        backend=Backend.CUDA,
        total_bytes=int(memory.total),
        free_bytes=int(memory.free),
        basis="NVML",
        index=index,
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        bandwidth=bandwidth,
        bandwidth_basis=basis,
        memory_type=card.memory_type if card else None,
        architecture=ARCHITECTURES.get(architecture) if isinstance(architecture, int) else None,
        compute_capability=f"{capability[0]}.{capability[1]}" if capability else None,
        fp16_flops=card.fp16_flops if card else None,
        driver=driver,
        processes=tuple(_processes(nvml, handle)),
        vendor="nvidia",
        busy=_busy(nvml, handle),
    )


def _busy(nvml: Any, handle: Any) -> float | None:
    """Share of the last sample period (a sixth of a second to one) in which a kernel ran."""
    rates = _ask(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    return None if rates is None else float(rates.gpu) / 100


def choose_bandwidth(told: int | None, card: Card | None) -> tuple[int | None, str | None]:
    """NVML's figure with its basis, unless the table's differs by more than a quarter: then the table's."""
    listed = card.bandwidth if card else None
    if told is None:
        return (listed, "GPU table") if listed else (None, None)
    if listed is None or abs(told - listed) <= _TRUSTED_WITHIN * listed:
        return told, "NVML"
    return listed, f"GPU table; NVML's memory clock would make it {format_speed(told)}"


def _told_bandwidth(nvml: Any, handle: Any) -> int | None:
    clock = _ask(nvml, nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_MEM)
    bus = _ask(nvml, nvml.nvmlDeviceGetMemoryBusWidth, handle)
    return memory_bandwidth(int(clock), int(bus)) if clock and bus else None


def _find_card(name: str, total_bytes: int, bandwidth: int | None) -> Card | None:
    """What NVML does not tell, GDDR from HBM for one, the table does."""
    from kdmgr.hardware.table import find_by_driver_name

    return find_by_driver_name(name, total_bytes, bandwidth)


def _processes(nvml: Any, handle: Any) -> list[GpuProcess]:
    running: dict[int, int | None] = {}
    for ask in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        for process in _ask(nvml, ask, handle) or ():
            # Windows' driver model (WDDM) keeps the figure to itself.
            running[int(process.pid)] = None if process.usedGpuMemory is None else int(process.usedGpuMemory)
    return [GpuProcess(pid, _process_name(nvml, pid), used) for pid, used in sorted(running.items())]


def _process_name(nvml: Any, pid: int) -> str | None:
    name = _ask(nvml, nvml.nvmlSystemGetProcessName, pid)
    return None if name is None else _text(name)


def _ask(nvml: Any, function: Any, *arguments: Any) -> Any:
    """The answer of an NVML query that a device may not support; None when it does not."""
    try:
        return function(*arguments)
    except nvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
