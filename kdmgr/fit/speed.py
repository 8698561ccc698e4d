"""How fast a model decodes: a two-constant roofline per family of devices.

    t = (W·m + KV) / (η·BW) + L·τ·(1 + u)        tok/s = 1/t

W: bytes of the weights read for one token; KV: bytes of the cache read at `DEPTH` tokens; BW: the card's
peak bandwidth; L: layers. Dense models: m = 1, u = 0; mixtures of experts: m = 1.3, u = 0.5. η and τ (see
`families`) were fitted on hundreds of public measurements and checked on others: median error 11 to 21 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kdmgr.fit.families import GRADES, WORDS, Family, find_family, worst_grade
from kdmgr.fit.kv_cache import token_bytes
from kdmgr.fit.machine import Device, Machine
from kdmgr.fit.options import ResolvedOptions
from kdmgr.fit.pace import describe_pace
from kdmgr.fit.plan import DevicePlan, MemoryPlan, Speed
from kdmgr.fit.prompt_speed import predict_prompt_speed
from kdmgr.gguf.shape import ModelShape
from kdmgr.units import GIB, format_speed

DEPTH = 2048
"""Tokens of context at which speed is stated (fewer where n_ctx is smaller)."""
DEEP = 4096
"""Tokens of context beyond which a figure is rough."""
_BANDS = {"high": (0.75, 1.30), "medium": (0.70, 1.40), "low": (0.55, 1.60)}
_SMALL_MODEL = 1 * GIB


@dataclass(frozen=True, slots=True)
class _Work:
    """A plan's reading, ready to be timed: places that hold weights, each with its family."""

    shape: ModelShape
    used: tuple[tuple[Device, DevicePlan, Family], ...]
    spilled: int
    """Bytes read from host memory per token."""
    host_bandwidth: int | None

    @property
    def doubtful(self) -> bool:
        """Whether it is a kind of work that is predicted worse: a small model, or one in part on the CPU."""
        return bool(self.spilled) or self.shape.weights.total < _SMALL_MODEL

    def seconds(self, cache: int) -> float:
        """One token's time with `cache` bytes of KV cache to read, shared out as the weights are."""
        is_moe = self.shape.experts is not None
        total = sum(planned.reads for _, planned, _ in self.used) + self.spilled
        layer_s = max(family.layer_s for _, _, family in self.used) * (1.5 if is_moe else 1.0)
        seconds = self.shape.n_layer * layer_s
        for device, planned, family in self.used:
            read = planned.reads * (1.3 if is_moe else 1.0) + cache * planned.reads / total
            seconds += read / (family.efficiency * (device.bandwidth or 0))
        if self.host_bandwidth is not None:
            seconds += (self.spilled + cache * self.spilled / total) / self.host_bandwidth
        return seconds


def predict_speed(
    shape: ModelShape, options: ResolvedOptions, plan: MemoryPlan, machine: Machine
) -> tuple[Speed | None, str | None]:
    """The expected decoding speed, or None and the reason why it cannot be told.

    Every place reads its own weights, one after the other: several devices hold more, but are no faster.
    """
    cache = cache_read(shape, options, DEPTH)
    if cache is None:
        return None, "speed: the cache of this architecture is not known"
    used = [(device, planned) for device, planned in zip(machine.devices, plan.devices, strict=True) if planned.reads]
    if not used:
        return _bound_by_host(plan.host.reads + cache, machine)
    work = _prepare(shape, used, plan.host.reads, machine)
    if isinstance(work, str):
        return None, work
    full = 1 / work.seconds(cache_read(shape, options, options.n_ctx) or 0)
    speed = _state(work, 1 / work.seconds(cache), _basis(work, shape, options))
    if speed.words is not None:
        return replace(speed, full_words=describe_pace(full)), None
    # The arithmetic bounds only whole models that keep the card busy: a small one waits for other things.
    prompt = None if work.doubtful else predict_prompt_speed(shape, used)
    return replace(speed, full_tok_s=full, prompt=prompt), None


def _prepare(shape: ModelShape, used: list[tuple[Device, DevicePlan]], spilled: int, machine: Machine) -> _Work | str:
    """The work, or what is not known of it."""
    places = []
    for device, planned in used:
        family = find_family(device)
        if family is None:
            return f"speed: no figures for {device.name}"
        if not device.bandwidth:
            return f"speed: no bandwidth known of {device.name}"
        places.append((device, planned, family))
    if spilled and machine.host.bandwidth is None:
        return "speed: part of the model runs on the CPU, whose bandwidth has not been measured"
    return _Work(shape, tuple(places), spilled, machine.host.bandwidth)


def _state(work: _Work, tok_s: float, basis: str) -> Speed:
    """The figure with its band, or words. What is predicted worse gets one grade less."""
    grade = worst_grade([family for _, _, family in work.used])
    if grade == WORDS:
        return Speed(None, None, None, basis, WORDS, rough=True, words=describe_pace(tok_s))
    grade = GRADES[min(GRADES.index(grade) + work.doubtful, len(GRADES) - 1)]
    low, high = _BANDS[grade]
    return Speed(tok_s, low * tok_s, high * tok_s, basis, grade, rough=work.doubtful or grade == "low")


def _basis(work: _Work, shape: ModelShape, options: ResolvedOptions) -> str:
    device, _, family = max(work.used, key=lambda place: place[1].reads)
    source = device.bandwidth_basis or device.basis
    spill = f" and the host's at {format_speed(work.host_bandwidth)}" if work.spilled else ""
    depth = min(DEPTH, options.n_ctx)
    where = f"{family.name} at {format_speed(device.bandwidth)} ({source}){spill}"
    return f"{shape.quant or 'unknown quant'} on {where}, {depth} tokens deep"


def cache_read(shape: ModelShape, options: ResolvedOptions, depth: int) -> int | None:
    """Bytes of cache and state that one token reads, `depth` tokens deep; None for an unknown architecture."""
    attention = shape.attention
    if attention is None:
        return None
    depth = min(depth, options.n_ctx)
    state = 0 if shape.recurrent is None else shape.recurrent.layer_bytes * sum(shape.recurrent.layers)
    return state + sum(
        token_bytes(attention, options, layer) * (min(depth, attention.n_swa) if slides else depth)
        for layer, slides in enumerate(attention.slides)
    )


def _bound_by_host(read: int, machine: Machine) -> tuple[Speed | None, str | None]:
    bandwidth = machine.host.bandwidth
    if bandwidth is None:
        return None, "speed: the host's memory bandwidth has not been measured"
    basis = f"reading the weights at the host's {format_speed(bandwidth)}; the CPU may be slower"
    return Speed(None, None, bandwidth / read, basis, "bound"), None
