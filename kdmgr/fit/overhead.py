"""Memory that no buffer accounts for: the driver's context of the engine's process."""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.fit.machine import Backend, Device
from kdmgr.units import MIB

# The runtime of the embedded engine beside its buffers, as resident memory of its process after a load
# (xllamacpp 2026.10 on Linux, two models): 77 and 84 MiB.
HOST_RUNTIME = 84 * MIB
# CUDA contexts as measured per generation; grows with use (cuBLAS and flash-attention pools).
_CUDA_CONTEXT = {"Ampere": 300 * MIB, "Ada Lovelace": 450 * MIB}
_VULKAN_AT_LOAD = 81 * MIB


@dataclass(frozen=True, slots=True)
class Overhead:
    """`size` in bytes, None when nobody has measured it; `basis` says where it comes from."""

    size: int | None
    basis: str


def device_overhead(device: Device) -> Overhead:
    """What an engine's process takes on `device` beside its buffers."""
    if device.backend is Backend.METAL:
        return Overhead(0, "Metal needs no context of its own")
    if device.backend is Backend.VULKAN:
        return Overhead(_VULKAN_AT_LOAD, "largest seen at load with Vulkan")
    if device.backend is Backend.CUDA:
        known = _CUDA_CONTEXT.get(device.architecture or "")
        if known is not None:
            return Overhead(known, f"CUDA context as measured on {device.architecture}")
        return Overhead(max(_CUDA_CONTEXT.values()), "largest CUDA context measured")
    return Overhead(None, f"the driver's context under {device.backend.value} has not been measured")
