"""How fast a model decodes: a two-constant roofline per family of devices.

    t = (W·m + KV) / (η·BW) + L·τ·(1 + u)        tok/s = 1/t

W: bytes of the weights read for one token; KV: bytes of the cache read at `DEPTH` tokens; BW: the card's
peak bandwidth; L: layers. Dense models: m = 1, u = 0; mixtures of experts: m = 1.3, u = 0.5. η and τ were
fitted on hundreds of public measurements and checked on others: median error 11 to 21 %.
"""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.fit.kv_cache import token_bytes
from kdmgr.fit.machine import Backend, Device, Machine
from kdmgr.fit.options import ResolvedOptions
from kdmgr.fit.plan import MemoryPlan, Speed
from kdmgr.gguf.shape import ModelShape
from kdmgr.units import GIB, format_speed

DEPTH = 2048
"""Tokens of context at which speed is stated (fewer where n_ctx is smaller)."""
GRADES = ("high", "medium", "low")
_BANDS = {"high": (0.75, 1.30), "medium": (0.70, 1.40), "low": (0.55, 1.60)}
_SMALL_MODEL = 1 * GIB


@dataclass(frozen=True, slots=True)
class Family:
    """Constants of one backend and kind of memory: efficiency, seconds per layer, trust."""

    name: str
    efficiency: float
    layer_s: float
    grade: str


_CUDA_GDDR = Family("CUDA, GDDR", 0.808, 37e-6, "high")
_CUDA_HBM = Family("CUDA, HBM", 0.444, 65e-6, "medium")
_CUDA_OLD = Family("CUDA before Ampere", 0.577, 0.0, "low")
_METAL = Family("Metal", 0.873, 132e-6, "medium")
_ROCM = Family("ROCm, RDNA", 0.877, 101e-6, "high")
_ROCM_HBM = Family("ROCm, HBM", 0.785, 148e-6, "low")
_VULKAN = Family("Vulkan", 0.885, 79e-6, "medium")
_BEFORE_AMPERE = ("Maxwell", "Pascal", "Volta", "Turing", "Kepler")


def predict_speed(
    shape: ModelShape, options: ResolvedOptions, plan: MemoryPlan, machine: Machine
) -> tuple[Speed | None, str | None]:
    """The expected decoding speed, or None and the reason why it cannot be told.

    Every place reads its own weights, one after the other: several devices hold more, but are no faster.
    """
    cache = _cache_read(shape, options)
    if cache is None:
        return None, "speed: the cache of this architecture is not known"
    used = [(device, planned) for device, planned in zip(machine.devices, plan.devices, strict=True) if planned.reads]
    spilled = plan.host.reads
    if not used:
        return _bound_by_host(spilled + cache, machine)
    slowest = max(used, key=lambda pair: pair[1].reads)[0]
    family = find_family(slowest)
    if family is None:
        return None, f"speed: no figures for {slowest.name}"
    total = sum(planned.reads for _, planned in used) + spilled
    seconds = shape.n_layer * family.layer_s * _moe(shape, 1.5)
    for device, planned in used:
        if device.bandwidth is None:
            return None, f"speed: no bandwidth known of {device.name}"
        read = planned.reads * _moe(shape, 1.3) + cache * planned.reads / total
        seconds += read / (family.efficiency * device.bandwidth)
    if spilled:
        if machine.host.bandwidth is None:
            return None, "speed: part of the model runs on the CPU, whose bandwidth has not been measured"
        seconds += (spilled + cache * spilled / total) / machine.host.bandwidth
    grade = _grade(family, shape, bool(spilled))
    low, high = _BANDS[grade]
    bandwidth = format_speed(slowest.bandwidth or 0)
    basis = f"{family.name} at {bandwidth} ({slowest.bandwidth_basis or slowest.basis})"
    depth = min(DEPTH, options.n_ctx)
    return Speed(1 / seconds, low / seconds, high / seconds, f"{basis}, {depth} tokens deep", grade), None


def find_family(device: Device) -> Family | None:
    """The constants for `device`; None where nobody has measured enough."""
    hbm = (device.memory_type or "").upper().startswith("HBM")
    if device.backend is Backend.CUDA:
        if _is_old(device):
            return _CUDA_OLD
        return _CUDA_HBM if hbm else _CUDA_GDDR
    if device.backend is Backend.ROCM:
        return _ROCM_HBM if hbm else _ROCM
    return {Backend.METAL: _METAL, Backend.VULKAN: _VULKAN}.get(device.backend)


def _is_old(device: Device) -> bool:
    capability = (device.compute_capability or "").partition(".")[0]
    if capability.isdigit():
        return int(capability) < 8
    return (device.architecture or "").startswith(_BEFORE_AMPERE)


def _cache_read(shape: ModelShape, options: ResolvedOptions) -> int | None:
    attention = shape.attention
    if attention is None:
        return None
    depth = min(DEPTH, options.n_ctx)
    state = 0 if shape.recurrent is None else shape.recurrent.layer_bytes * sum(shape.recurrent.layers)
    return state + sum(
        token_bytes(attention, options, layer) * (min(depth, attention.n_swa) if slides else depth)
        for layer, slides in enumerate(attention.slides)
    )


def _moe(shape: ModelShape, factor: float) -> float:
    return factor if shape.experts else 1.0


def _grade(family: Family, shape: ModelShape, spills: bool) -> str:
    """Small models and CPU spill are predicted worse: one grade less."""
    step = GRADES.index(family.grade) + (spills or shape.weights.total < _SMALL_MODEL)
    return GRADES[min(step, len(GRADES) - 1)]


def _bound_by_host(read: int, machine: Machine) -> tuple[Speed | None, str | None]:
    bandwidth = machine.host.bandwidth
    if bandwidth is None:
        return None, "speed: the host's memory bandwidth has not been measured"
    basis = f"reading the weights at the host's {format_speed(bandwidth)}; the CPU may be slower"
    return Speed(None, None, bandwidth / read, basis, "bound"), None
