"""Memory that no buffer accounts for: the driver's context of the engine's process.

The sizes are what llama.cpp's table of memory called "unaccounted" on cards that nothing else used, or what
was free before the context and not after it; the readings are in tests/data/published_loads.jsonl. Where a
generation is missing (Volta, Turing and Hopper; RDNA and CDNA) no reading was found without another
process's memory in it. A context grows in use with cuBLAS' and flash attention's pools: on Ampere from
252 MiB to 558 and 752 with more slots or a projector.
"""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.fit.machine import Backend, Device, Host
from kdmgr.units import MIB

# Resident memory of the embedded engine's process beside its buffers, after an answer (xllamacpp 2026.10
# on Linux): 41 to 45 MiB with a vocabulary of 49k tokens, 70 to 73 MiB with one of 262k. The most counts.
HOST_RUNTIME = 73 * MIB
_CUDA_CONTEXT = {
    # A GTX 1080 after use: 174 (mdda.net, llama-cpp-moe-on-an-old-gtx-1080); a GTX 1080 Ti before a load: at
    # most 206 (turbo-tan/llama.cpp-tq3, issue 11).
    "Pascal": 206 * MIB,
    # RTX 3080: 252 to 255 after use, seven readings (TkskKurumi/llama-server-benchmarks, GLM-4.6 and
    # Qwen3-VL-235B-IQ1_M with one slot); others saw up to 300.
    "Ampere": 300 * MIB,
    # RTX 4090: 451, 456 and 456 (ggml-org/llama.cpp, pull request 15860).
    "Ada Lovelace": 456 * MIB,
    # RTX 5090, before and after its context: 31605 and 31153 free (ggml-org/llama.cpp, pull request 25465).
    "Blackwell": 452 * MIB,
}
_ROCM_CONTEXT = {
    # MI50: 253, 254 and 253 after use (stevio2d/GFX906-MI50-optimisations, validation-tq3-fa-2026-03-27.md).
    "GCN 5.1": 254 * MIB,
}
_VULKAN_AT_LOAD = 81 * MIB
LATENT_PEAK = 2390 * MIB
"""Most that was seen with latent attention: DeepSeek-V3.1 on four RTX 3080, 2384 to 2390 MiB on each
(TkskKurumi/llama-server-benchmarks, DeepSeekV3.1-Terminus-TQ1). One model on one machine: no rule."""


@dataclass(frozen=True, slots=True)
class Overhead:
    """`size` in bytes, None when nobody has measured it; `basis` says where it comes from."""

    size: int | None
    basis: str


def device_overhead(device: Device) -> Overhead:
    """What an engine's process takes on `device` beside its buffers: as seen on this machine, else elsewhere."""
    if device.overhead is not None:
        return Overhead(device.overhead.size, device.overhead.basis)
    match device.backend:
        case Backend.METAL:
            return Overhead(0, "Metal needs no context of its own")
        case Backend.VULKAN:
            return Overhead(_VULKAN_AT_LOAD, "largest seen at load with Vulkan")
        case Backend.CUDA:
            most = Overhead(max(_CUDA_CONTEXT.values()), "largest CUDA context measured")
            return _find_context(_CUDA_CONTEXT, "CUDA", device) or most
        case Backend.ROCM:
            found = _find_context(_ROCM_CONTEXT, "ROCm", device)
        case Backend.SYCL:
            found = None
    return found or Overhead(None, f"the driver's context under {device.backend.value} has not been measured")


def _find_context(measured: dict[str, int], library: str, device: Device) -> Overhead | None:
    """What was measured on the device's generation; "Blackwell" stands for "Blackwell 2.0" too."""
    for architecture, size in measured.items():
        if (device.architecture or "").startswith(architecture):
            return Overhead(size, f"{library} context as measured on {architecture}")
    return None


def host_overhead(host: Host) -> Overhead:
    """What an engine's process takes of the host beside its buffers."""
    if host.overhead is not None:
        return Overhead(host.overhead.size, host.overhead.basis)
    return Overhead(HOST_RUNTIME, "the engine's process, the most that was measured")
