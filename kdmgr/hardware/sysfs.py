"""AMD and Intel devices on Linux, as the kernel's drivers describe them below /sys/class/drm.

Sources: the kernel's amdgpu (mem_info_vram_*, product_name, gpu_busy_percent) and xe/i915 documents.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kdmgr.fit.machine import Backend, Device
from kdmgr.hardware.probing import Absent
from kdmgr.units import GIB

AMD, INTEL = "0x1002", "0x8086"
# An integrated GPU carves less than this out of the host's memory; it is no device to plan for.
_LEAST_VRAM = 1 * GIB


def probe_amd(root: Path = Path("/"), env: Mapping[str, str] = os.environ) -> list[Device]:
    """Discrete AMD cards by the amdgpu driver; `Absent` when there is none."""
    found: list[Device] = []
    cards = _cards(root, AMD)
    for folder in cards:
        total, used = _number(folder / "mem_info_vram_total"), _number(folder / "mem_info_vram_used")
        if total is not None and total >= _LEAST_VRAM:
            name = _first_line(folder / "product_name") or f"AMD GPU {_first_line(folder / 'device') or ''}".strip()
            device = _device(name, Backend.ROCM, total, max(total - (used or 0), 0), len(found))
            found.append(replace(device, busy=_share(folder / "gpu_busy_percent")))
    visible = _visible(found, env.get("ROCR_VISIBLE_DEVICES") or env.get("HIP_VISIBLE_DEVICES"))
    if not visible:
        raise Absent(_why(cards, found, "AMD"))
    return visible


def probe_intel(root: Path = Path("/")) -> list[Device]:
    """Discrete Intel cards by the xe or i915 driver; `Absent` when there is none."""
    found: list[Device] = []
    cards = _cards(root, INTEL)
    for folder in cards:
        total = _number(folder / "lmem_total_bytes") or _number(folder / "tile0/vram0/total")
        if total is not None and total >= _LEAST_VRAM:
            free = _number(folder / "lmem_avail_bytes")
            name = f"Intel GPU {_first_line(folder / 'device') or ''}".strip()
            found.append(_device(name, Backend.SYCL, total, total if free is None else free, len(found)))
    if not found:
        raise Absent(_why(cards, found, "Intel"))
    return found


def _cards(root: Path, vendor: str) -> list[Path]:
    base = root / "sys/class/drm"
    try:
        entries = sorted(base.glob("card[0-9]*"))
    except OSError:
        return []
    folders = [entry / "device" for entry in entries if "-" not in entry.name]
    return [folder for folder in folders if _first_line(folder / "vendor") == vendor]


def _device(name: str, backend: Backend, total: int, free: int, index: int) -> Device:
    from kdmgr.hardware.table import find_by_driver_name

    card = find_by_driver_name(name, total)
    return Device(
        name=name,
        backend=backend,
        total_bytes=total,
        free_bytes=free,
        basis="sysfs",
        index=index,
        bandwidth=card.bandwidth if card else None,
        bandwidth_basis="GPU table" if card and card.bandwidth else None,
        memory_type=card.memory_type if card else None,
        architecture=card.architecture if card else None,
        fp16_flops=card.fp16_flops if card else None,
        vendor="intel" if backend is Backend.SYCL else "amd",
    )


def _visible(devices: list[Device], variable: str | None) -> list[Device]:
    """By index, as ROCR_VISIBLE_DEVICES and HIP_VISIBLE_DEVICES list them."""
    if variable is None:
        return devices
    wanted = [int(entry) for entry in map(str.strip, variable.split(",")) if entry.isdigit()]
    return [device for index in wanted for device in devices if device.index == index]


def _why(cards: list[Path], found: list[Device], vendor: str) -> str:
    if found:
        return "the environment hides every device"
    return f"only integrated {vendor} graphics" if cards else f"no {vendor} card in sysfs"


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip().partition("\n")[0] or None
    except OSError:
        return None


def _share(path: Path) -> float | None:
    percent = _number(path)
    return None if percent is None else percent / 100


def _number(path: Path) -> int | None:
    text = _first_line(path)
    return int(text) if text and text.isdigit() else None
