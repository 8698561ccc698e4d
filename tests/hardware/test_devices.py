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
from kdmgr.hardware.nvidia import choose_bandwidth, memory_bandwidth, probe_nvidia, select_visible
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

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:
        if handle:
            raise self.NVMLError("Not Supported")
        return SimpleNamespace(gpu=37, memory=12)

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
    assert (first.busy, second.busy) == (0.37, None)


@pytest.mark.parametrize(
    ("name", "total", "clock", "bus"),
    [
        ("NVIDIA GeForce RTX 4090", 24 * GIB, 10501, 384),
        ("NVIDIA GeForce RTX 3060", 12 * GIB, 7501, 192),
        ("NVIDIA GeForce RTX 3090", 24 * GIB, 9751, 384),
        ("NVIDIA GeForce RTX 5090", 32 * GIB, 14001, 512),
        ("NVIDIA GeForce GTX 1080", 8 * GIB, 5005, 256),
        ("Tesla T4", 16 * GIB, 5001, 256),
        ("Tesla P100-PCIE-16GB", 16 * GIB, 715, 4096),
        ("Tesla V100-SXM2-16GB", 16 * GIB, 877, 4096),
        ("NVIDIA A100-SXM4-40GB", 40 * GIB, 1215, 5120),
        ("NVIDIA A100-SXM4-80GB", 80 * GIB, 1593, 5120),
        ("NVIDIA H100 80GB HBM3", 80 * GIB, 2619, 5120),
    ],
)
def test_clock_times_bus_width_is_the_published_bandwidth(name: str, total: int, clock: int, bus: int) -> None:
    """GDDR5 to 7 and HBM2 to 3 alike: NVML's clock is made for this rule."""
    card = find_by_driver_name(name, total)
    assert card is not None
    assert memory_bandwidth(clock, bus) == pytest.approx(card.bandwidth, rel=0.02)


def test_nvmls_bandwidth_is_preferred_to_the_tables() -> None:
    """The RTX 4090 of the table moves 1010 GB/s."""
    _, card = probe_nvidia(env={}, nvml=FakeNvml())
    assert (card.bandwidth, card.bandwidth_basis) == (1_008_096_000_000, "NVML")


@pytest.mark.parametrize(("clock", "trusted"), [(8000, True), (7800, False), (13200, False), (405, False)])
def test_a_clock_that_contradicts_the_table_is_not_believed(clock: int, trusted: bool) -> None:
    nvml = FakeNvml()
    nvml.clocks = (7501, clock)
    _, card = probe_nvidia(env={}, nvml=nvml)
    assert card.bandwidth_basis is not None
    if trusted:
        assert (card.bandwidth, card.bandwidth_basis) == (clock * 96_000_000, "NVML")
    else:
        assert card.bandwidth == 1_010_000_000_000
        assert card.bandwidth_basis.startswith("GPU table; NVML's memory clock would make it ")


def test_without_a_clock_or_a_row_the_bandwidth_comes_from_what_there_is() -> None:
    nvml = FakeNvml()
    nvml.clocks = (0, 10501)
    nvml.names = ("NVIDIA GeForce RTX 3060", "NVIDIA Unheard-Of 9")
    first, second = probe_nvidia(env={}, nvml=nvml)
    assert (first.bandwidth, first.bandwidth_basis) == (360_000_000_000, "GPU table")
    assert (second.bandwidth, second.bandwidth_basis) == (1_008_096_000_000, "NVML")
    assert (second.memory_type, second.fp16_flops) == (None, None)
    assert choose_bandwidth(None, None) == (None, None)


def test_of_two_cards_of_one_name_the_clock_tells_which() -> None:
    """An RTX 3060 Ti has GDDR6 at 448 GB/s, or GDDR6X at 608."""
    nvml = FakeNvml()
    nvml.names, nvml.totals = ("NVIDIA GeForce RTX 3060 Ti",) * 2, (8192 * MIB,) * 2
    nvml.clocks, nvml.buses = (7001, 9501), (256, 256)
    found = probe_nvidia(env={}, nvml=nvml)
    assert [card.memory_type for card in found] == ["GDDR6", "GDDR6X"]
    assert {card.bandwidth_basis for card in found} == {"NVML"}


def test_every_device_found_knows_its_vendor_and_what_it_multiplies(tmp_path: Path) -> None:
    card(tmp_path, 1, vendor="0x1002", product_name="AMD Radeon RX 7900 XTX\n", mem_info_vram_total=str(24 * GIB))
    card(tmp_path, 2, vendor="0x8086", device="0x56a0", lmem_total_bytes=str(16 * GIB))
    apple = probe_apple(
        {"machdep.cpu.brand_string": "Apple M4 Max", "hw.memsize": str(64 * GIB)}.get, platform="darwin"
    )
    found = [*probe_nvidia(env={}, nvml=FakeNvml()), *probe_amd(tmp_path, {}), *probe_intel(tmp_path), *apple]
    assert [(each.vendor, each.fp16_flops) for each in found] == [
        ("nvidia", 25e12),
        ("nvidia", 165e12),
        ("amd", 122.8e12),
        ("intel", None),
        ("apple", 17.2e12),
    ]


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
    big = {"mem_info_vram_total": str(24 * GIB), "mem_info_vram_used": str(GIB), "gpu_busy_percent": "50"}
    card(tmp_path, 0, vendor="0x1002", mem_info_vram_total=str(GIB // 2), mem_info_vram_used="0")
    card(tmp_path, 1, vendor="0x1002", product_name="AMD Radeon RX 7900 XTX\n", **big)
    (tmp_path / "sys/class/drm/card1-DP-1").mkdir()
    (found,) = probe_amd(tmp_path, {})
    assert (found.name, found.free_bytes, found.backend) == ("AMD Radeon RX 7900 XTX", 23 * GIB, Backend.ROCM)
    assert found.busy == 0.5
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
