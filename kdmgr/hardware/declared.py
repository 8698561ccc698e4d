"""A machine named by the user instead of found: cards from the GPU table, or a bare amount of memory."""

from __future__ import annotations

from collections.abc import Sequence

from kdmgr.fit.machine import Backend, Device, Host, Machine
from kdmgr.hardware.table import Card, parse_gpus
from kdmgr.units import GIB, format_bytes

BACKENDS = {"nvidia": Backend.CUDA, "amd": Backend.ROCM, "apple": Backend.METAL, "intel": Backend.SYCL}
# Apple publishes no rule for MTLDevice.recommendedMaxWorkingSetSize; as reported by many machines it is two
# thirds of the memory up to 36 GB and three quarters above.
_SMALL_APPLE = 36 * GIB


def declare_machine(gpus: Sequence[str], vram_bytes: int | None, host: Host) -> Machine:
    """A machine with `gpus` (as typed, `2x RTX 3090` and commas included) and one generic card of `vram_bytes`."""
    cards = [card for text in gpus for card in parse_gpus(text)]
    devices = [declare_device(card, index) for index, card in enumerate(cards)]
    if vram_bytes is not None:
        devices.append(_generic_device(vram_bytes, len(devices)))
    return Machine(tuple(devices), host, declared=True)


def declare_device(card: Card, index: int = 0) -> Device:
    """`card` with all its memory free; of unified memory, what the system lets the GPU have."""
    usable = working_set_limit(card.memory_bytes) if card.vendor == "apple" else card.memory_bytes
    return Device(
        name=card.name,
        backend=BACKENDS[card.vendor],
        total_bytes=card.memory_bytes,
        free_bytes=usable,
        basis="declared, all of it free",
        index=index,
        bandwidth=card.bandwidth,
        bandwidth_basis="GPU table" if card.bandwidth else None,
        memory_type=card.memory_type,
        architecture=card.architecture,
        compute_capability=card.compute_capability,
        fp16_flops=card.fp16_flops,
        unified=card.unified,
        vendor=card.vendor,
    )


def working_set_limit(memory_bytes: int) -> int:
    """What Metal lets one process use of `memory_bytes`, unless `iogpu.wired_limit_mb` says otherwise."""
    return memory_bytes * 2 // 3 if memory_bytes <= _SMALL_APPLE else memory_bytes * 3 // 4


def _generic_device(vram_bytes: int, index: int) -> Device:
    return Device(
        name=f"GPU with {format_bytes(vram_bytes)}",
        backend=Backend.CUDA,
        total_bytes=vram_bytes,
        free_bytes=vram_bytes,
        basis="declared, all of it free",
        index=index,
    )
