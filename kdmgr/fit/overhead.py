"""Memory that no buffer accounts for: the driver's context of the engine's process."""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.fit.machine import Backend, Device, Host
from kdmgr.units import MIB

# Resident memory of the embedded engine's process beside its buffers, after an answer (xllamacpp 2026.10
# on Linux): 41 to 45 MiB with a vocabulary of 49k tokens, 70 to 73 MiB with one of 262k. The most counts.
HOST_RUNTIME = 73 * MIB
# CUDA contexts as measured per generation; grows with use (cuBLAS and flash-attention pools).
_CUDA_CONTEXT = {"Ampere": 300 * MIB, "Ada Lovelace": 450 * MIB}
_VULKAN_AT_LOAD = 81 * MIB


@dataclass(frozen=True, slots=True)
class Overhead:
    """`size` in bytes, None when nobody has measured it; `basis` says where it comes from."""

    size: int | None
    basis: str


def device_overhead(device: Device) -> Overhead:
    """What an engine's process takes on `device` beside its buffers: as seen on this machine, else elsewhere."""
    if device.overhead is not None:
        return Overhead(device.overhead.size, device.overhead.basis)
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


def host_overhead(host: Host) -> Overhead:
    """What an engine's process takes of the host beside its buffers."""
    if host.overhead is not None:
        return Overhead(host.overhead.size, host.overhead.basis)
    return Overhead(HOST_RUNTIME, "the engine's process, the most that was measured")
