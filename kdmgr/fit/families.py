"""How well devices of one kind use their memory and their arithmetic, as fitted on public measurements."""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.fit.machine import Backend, Device

GRADES = ("high", "medium", "low")
WORDS = "words"
"""The grade of families that are measured too thinly for a number: their speed is told in words."""


@dataclass(frozen=True, slots=True)
class Family:
    """Constants of one backend and kind of memory."""

    name: str
    efficiency: float
    """Part of the peak bandwidth that reading weights reaches."""
    layer_s: float
    """Seconds that each layer takes beside its reading."""
    grade: str
    """One of `GRADES`, or `WORDS`."""
    prompt: float | None = None
    """Part of the FP16 peak that reading a prompt reaches; None where nobody has measured enough."""


CUDA_GDDR = Family("CUDA, GDDR", 0.808, 37e-6, "high", 0.81)
CUDA_HBM = Family("CUDA, HBM", 0.444, 65e-6, "medium", 0.31)
CUDA_OLD = Family("CUDA before Ampere", 0.577, 0.0, "low")
METAL = Family("Metal", 0.873, 132e-6, "medium", 0.70)
ROCM_RDNA = Family("ROCm, RDNA", 0.877, 101e-6, "high", 0.53)
ROCM_HBM = Family("ROCm, HBM", 0.785, 148e-6, "low")
VULKAN_HBM = Family("Vulkan, HBM", 0.785, 148e-6, "low")
VULKAN_AMD = Family("Vulkan, AMD", 0.885, 79e-6, "medium")
VULKAN_NVIDIA = Family("Vulkan, NVIDIA", 0.538, 7e-6, "low")
INTEL = Family("Intel", 0.564, 234e-6, WORDS)

_BEFORE_AMPERE = ("Maxwell", "Pascal", "Volta", "Turing", "Kepler")


def find_family(device: Device) -> Family | None:
    """The constants for `device`; None where nobody has measured enough."""
    hbm = (device.memory_type or "").upper().startswith("HBM")
    match device.backend:
        case Backend.CUDA:
            return CUDA_OLD if _is_old(device) else CUDA_HBM if hbm else CUDA_GDDR
        case Backend.ROCM if hbm:
            return ROCM_HBM
        case Backend.ROCM:
            # Cards of the generations before RDNA, with GDDR, are in nobody's measurements.
            return None if (device.architecture or "").startswith("GCN") else ROCM_RDNA
        case Backend.VULKAN:
            by_vendor = {"amd": VULKAN_HBM if hbm else VULKAN_AMD, "nvidia": VULKAN_NVIDIA, "intel": INTEL}
            return by_vendor.get(device.vendor or "")
        case Backend.SYCL:
            return INTEL
        case Backend.METAL:
            return METAL


def worst_grade(families: list[Family]) -> str:
    """The least trusted of the families' grades."""
    return max((family.grade for family in families), key=(*GRADES, WORDS).index)


def _is_old(device: Device) -> bool:
    capability = (device.compute_capability or "").partition(".")[0]
    if capability.isdigit():
        return int(capability) < 8
    return (device.architecture or "").startswith(_BEFORE_AMPERE)
