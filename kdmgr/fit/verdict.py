"""Whether a plan fits, how much is left, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kdmgr.fit.options import MARGIN
from kdmgr.fit.plan import DevicePlan, MemoryPlan, Verdict
from kdmgr.units import format_bytes


@dataclass(frozen=True, slots=True)
class Judgement:
    """`headroom` in bytes: left where the model runs, on the fullest device, or (negative) missing."""

    verdict: Verdict
    reason: str
    headroom: int | None


def judge(plan: MemoryPlan, margin: int = MARGIN) -> Judgement:
    """The verdict on `plan`, after the words of `Verdict`."""
    used = [device for device in plan.devices if device.n_layers]
    if plan.components.kv_cache is None or plan.components.compute is None:
        return _judge_unknown(plan)
    if not used:
        return _judge_host(plan)
    fullest = min(used, key=_left)
    if _left(fullest) < 0:
        what = f"{fullest.n_layers} layers need"
        return _too_big(what, fullest.components.known, fullest.free_bytes or 0, fullest.name)
    if not plan.whole:
        return _judge_partial(plan, used, fullest)
    headroom = _left(fullest)
    left = _describe_rest(used, fullest)
    if headroom >= margin:
        return Judgement(Verdict.FITS, left, headroom)
    return Judgement(Verdict.TIGHT, f"only {left}, less than the {format_bytes(margin)} margin", headroom)


def _left(device: DevicePlan) -> int:
    return (device.free_bytes or 0) - device.components.known


def _describe_rest(used: Sequence[DevicePlan], fullest: DevicePlan) -> str:
    left = (
        f"{format_bytes(_left(fullest))} of {format_bytes(fullest.free_bytes)} free memory on {fullest.name} stay free"
    )
    return left if len(used) == 1 else f"{left}, the fullest of {len(used)} GPUs"


def _judge_host(plan: MemoryPlan) -> Judgement:
    need, available = plan.host.components.known, plan.host.free_bytes
    if available is None:
        return Judgement(Verdict.UNKNOWN, f"needs {format_bytes(need)}; this host's memory is unknown", None)
    if need > available:
        return _too_big("needs", need, available, "the host")
    why = "no GPU takes a layer" if plan.devices else "no GPU found"
    reason = f"{why}; {format_bytes(need)} of {format_bytes(available)} available host memory"
    return Judgement(Verdict.CPU, reason, available - need)


def _judge_partial(plan: MemoryPlan, used: Sequence[DevicePlan], fullest: DevicePlan) -> Judgement:
    need, available = plan.host.components.known, plan.host.free_bytes
    name = used[0].name if len(used) == 1 else f"{len(used)} GPUs"
    where = f"{plan.n_gpu_layers} of {plan.n_layers} layers on {name}"
    if plan.n_expert_layers:
        where += f", the experts of {plan.n_expert_layers} on the host"
    if available is None:
        return Judgement(Verdict.UNKNOWN, f"{where}; the rest needs {format_bytes(need)} of host memory", None)
    if need > available:
        return _too_big(f"{where}, the rest needs", need, available, "the host")
    return Judgement(Verdict.PARTIAL, f"{where}; {format_bytes(need)} of host memory for the rest", _left(fullest))


def _judge_unknown(plan: MemoryPlan) -> Judgement:
    weights = plan.components.weights
    room = (plan.host.free_bytes or 0) + sum(device.free_bytes or 0 for device in plan.devices if device.n_layers)
    if plan.host.free_bytes is not None and weights > room:
        return _too_big("the weights alone need", weights, room, "this machine")
    return Judgement(
        Verdict.UNKNOWN, f"the weights take {format_bytes(weights)}; what else it needs cannot be derived", None
    )


def _too_big(what: str, need: int, room: int, where: str) -> Judgement:
    reason = f"{what} {format_bytes(need)}, {format_bytes(room)} are free on {where}"
    return Judgement(Verdict.TOO_BIG, reason, room - need)
