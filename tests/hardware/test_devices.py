"""Devices by NVML, sysfs and sysctl, and the time limit over all of them."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from kdmgr.fit.machine import Backend, Device
from kdmgr.hardware.apple import probe_apple
from kdmgr.hardware.detect import detect_machine, run_probes
from kdmgr.hardware.nvidia import memory_bandwidth, probe_nvidia, select_visible
from kdmgr.hardware.probing import Absent
from kdmgr.hardware.sysfs import probe_amd, probe_intel
from kdmgr.hardware.table import find_by_driver_name

GIB, MIB = 1 << 30, 1 << 20


class FakeNvml:
    """NVML's functions as `pynvml` names them, for one RTX 3060 and one RTX 4090."""

    class NVMLError(Exception):
        pass

    NVML_CLOCK_MEM = 2
    names = ("NVIDIA GeForce RTX 3060", "NVIDIA GeForce RTX 4090")
    totals = (12288 * MIB, 24564 * MIB)
    clocks, buses = (7501, 10501), (192, 384)
    down = False

    def nvmlInit(self) -> None:
        if self.down:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlShutdown(self) -> None: ...

    def nvmlSystemGetDriverVersion(self) -> bytes:
        return b"570.86"

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, handle: int) -> str:
        return self.names[handle]

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{handle}abc"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(total=self.totals[handle], free=self.totals[handle] - GIB)

    def nvmlDeviceGetMaxClockInfo(self, handle: int, _kind: int) -> int:
        return self.clocks[handle]

    def nvmlDeviceGetMemoryBusWidth(self, handle: int) -> int:
        return self.buses[handle]

    def nvmlDeviceGetCudaComputeCapability(self, handle: int) -> tuple[int, int]:
        return ((8, 6), (8, 9))[handle]

    def nvmlDeviceGetArchitecture(self, handle: int) -> int:
        return (7, 8)[handle]

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=42, usedGpuMemory=GIB)] if handle == 0 else []

    def nvmlDeviceGetGraphicsRunningProcesses(self, _handle: int) -> list[SimpleNamespace]:
        raise self.NVMLError("Not Supported")

    def nvmlSystemGetProcessName(self, _pid: int) -> bytes:
        return b"/usr/bin/ollama"


def test_nvml_tells_everything_of_a_card() -> None:
    first, second = probe_nvidia(env={}, nvml=FakeNvml())
    assert (first.name, first.total_bytes, first.free_bytes) == (FakeNvml.names[0], 12 * GIB, 11 * GIB)
    assert (first.backend, first.basis, first.uuid, first.driver) == (Backend.CUDA, "NVML", "GPU-0abc", "570.86")
    assert (first.architecture, first.compute_capability) == ("Ampere", "8.6")
    assert [(p.pid, p.name, p.used_bytes) for p in first.processes] == [(42, "/usr/bin/ollama", GIB)]
    assert (second.index, second.architecture, second.memory_type) == (1, "Ada Lovelace", "GDDR6X")


@pytest.mark.parametrize(
    ("name", "total", "clock", "bus"),
    [
        ("NVIDIA GeForce RTX 4090", 24 * GIB, 10501, 384),
        ("NVIDIA GeForce RTX 3060", 12 * GIB, 7501, 192),
        ("NVIDIA GeForce RTX 3090", 24 * GIB, 9751, 384),
        ("NVIDIA A100-SXM4-80GB", 80 * GIB, 1593, 5120),
    ],
)
def test_clock_times_bus_width_is_the_published_bandwidth(name: str, total: int, clock: int, bus: int) -> None:
    card = find_by_driver_name(name, total)
    assert card is not None
    assert memory_bandwidth(clock, bus) == pytest.approx(card.bandwidth, rel=0.02)


def test_without_a_driver_the_vendor_is_absent_and_not_an_error(tmp_path: Path) -> None:
    with pytest.raises(Absent, match="no NVIDIA driver"):
        probe_nvidia(tmp_path, {}, platform="linux")
    down = FakeNvml()
    down.down = True
    with pytest.raises(Absent, match="Driver Not Loaded"):
        probe_nvidia(tmp_path, {}, down)


@pytest.mark.parametrize(
    ("variable", "indices"),
    [(None, [0, 1]), ("1", [1]), ("1,0", [1, 0]), ("GPU-1", [1]), ("0,7,1", [0]), ("", []), ("-1", []), ("GPU-", [])],
)
def test_the_environment_chooses_as_in_cuda(variable: str | None, indices: list[int]) -> None:
    devices = probe_nvidia(env={}, nvml=FakeNvml())
    assert [device.index for device in select_visible(devices, variable)] == indices


def card(root: Path, number: int, **files: str) -> None:
    folder = root / f"sys/class/drm/card{number}/device"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def test_amd_cards_come_from_sysfs_without_the_integrated_ones(tmp_path: Path) -> None:
    big = {"mem_info_vram_total": str(24 * GIB), "mem_info_vram_used": str(GIB)}
    card(tmp_path, 0, vendor="0x1002", mem_info_vram_total=str(GIB // 2), mem_info_vram_used="0")
    card(tmp_path, 1, vendor="0x1002", product_name="AMD Radeon RX 7900 XTX\n", **big)
    (tmp_path / "sys/class/drm/card1-DP-1").mkdir()
    (found,) = probe_amd(tmp_path, {})
    assert (found.name, found.free_bytes, found.backend) == ("AMD Radeon RX 7900 XTX", 23 * GIB, Backend.ROCM)
    assert (found.bandwidth, found.bandwidth_basis) == (960_000_000_000, "GPU table")
    with pytest.raises(Absent, match="hides"):
        probe_amd(tmp_path, {"HIP_VISIBLE_DEVICES": "3"})


def test_intel_graphics_without_memory_of_its_own_is_no_device(tmp_path: Path) -> None:
    card(tmp_path, 0, vendor="0x8086", device="0x9a49")
    with pytest.raises(Absent, match="integrated"):
        probe_intel(tmp_path)
    card(tmp_path, 1, vendor="0x8086", device="0x56a0", lmem_total_bytes=str(16 * GIB))
    (found,) = probe_intel(tmp_path)
    assert (found.total_bytes, found.backend, found.bandwidth) == (16 * GIB, Backend.SYCL, None)


@pytest.mark.parametrize(("wired_mb", "free"), [(None, 48 * GIB), ("57344", 56 * GIB)])
def test_a_mac_has_one_device_in_its_own_memory(wired_mb: str | None, free: int) -> None:
    values = {"machdep.cpu.brand_string": "Apple M4 Max", "hw.memsize": str(64 * GIB), "iogpu.wired_limit_mb": wired_mb}
    (found,) = probe_apple(values.get, platform="darwin")
    assert (found.name, found.total_bytes, found.free_bytes, found.unified) == ("Apple M4 Max", 64 * GIB, free, True)
    assert found.bandwidth == 546_000_000_000


def test_a_driver_that_hangs_or_breaks_is_reported_and_waits_for_nobody() -> None:
    release = threading.Event()

    def hang() -> list[Device]:
        release.wait(30)
        return []

    def broken() -> list[Device]:
        raise RuntimeError("driver says no")

    started = time.monotonic()
    devices, probes = run_probes({"slow": hang, "broken": broken}, 0.2)
    release.set()
    assert time.monotonic() - started < 2
    assert devices == ()
    assert [(probe.name, probe.outcome) for probe in probes] == [("slow", "timed out"), ("broken", "failed")]
    assert "driver says no" in probes[1].detail


def test_this_machine_is_described_with_every_probe(tmp_path: Path) -> None:
    machine = detect_machine(root=tmp_path, env={}, platform="linux")
    assert machine.devices == ()
    assert [(probe.name, probe.outcome) for probe in machine.probes] == [
        ("nvidia", "absent"),
        ("amd", "absent"),
        ("intel", "absent"),
    ]
