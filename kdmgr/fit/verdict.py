"""Whether a plan fits, how much is left, and the sentence that says so."""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.fit.placement import MARGIN
from kdmgr.fit.plan import DevicePlan, MemoryPlan, Verdict
from kdmgr.units import format_bytes


@dataclass(frozen=True, slots=True)
class Judgement:
    """`headroom` in bytes: left where the model runs, or (negative) missing."""

    verdict: Verdict
    reason: str
    headroom: int | None


def judge(plan: MemoryPlan) -> Judgement:
    """The verdict on `plan`, after the words of `Verdict`."""
    used = next((device for device in plan.devices if device.n_layers), None)
    if plan.components.kv_cache is None or plan.components.compute is None:
        return _judge_unknown(plan, used)
    if used is None:
        return _judge_host(plan)
    if used.components.known > (used.free_bytes or 0):
        return _too_big(f"{plan.n_gpu_layers} layers need", used.components.known, used.free_bytes or 0, used.name)
    if plan.n_gpu_layers < plan.n_layers:
        return _judge_partial(plan, used)
    headroom = (used.free_bytes or 0) - used.components.known
    left = f"{format_bytes(headroom)} of {format_bytes(used.free_bytes)} free memory on {used.name} stay free"
    if headroom >= MARGIN:
        return Judgement(Verdict.FITS, left, headroom)
    return Judgement(Verdict.TIGHT, f"only {left}, less than the {format_bytes(MARGIN)} margin", headroom)


def _judge_host(plan: MemoryPlan) -> Judgement:
    need, available = plan.host.components.known, plan.host.free_bytes
    if available is None:
        return Judgement(Verdict.UNKNOWN, f"needs {format_bytes(need)}; this host's memory is unknown", None)
    if need > available:
        return _too_big("needs", need, available, "the host")
    why = "no GPU takes a layer" if plan.devices else "no GPU found"
    reason = f"{why}; {format_bytes(need)} of {format_bytes(available)} available host memory"
    return Judgement(Verdict.CPU, reason, available - need)


def _judge_partial(plan: MemoryPlan, used: DevicePlan) -> Judgement:
    need, available = plan.host.components.known, plan.host.free_bytes
    where = f"{plan.n_gpu_layers} of {plan.n_layers} layers on {used.name}"
    if available is None:
        return Judgement(Verdict.UNKNOWN, f"{where}; the rest needs {format_bytes(need)} of host memory", None)
    if need > available:
        return _too_big(f"{where}, the rest needs", need, available, "the host")
    headroom = (used.free_bytes or 0) - used.components.known
    return Judgement(Verdict.PARTIAL, f"{where}; {format_bytes(need)} of host memory for the rest", headroom)


def _judge_unknown(plan: MemoryPlan, used: DevicePlan | None) -> Judgement:
    weights = plan.components.weights
    room = (plan.host.free_bytes or 0) + (used.free_bytes or 0 if used else 0)
    if plan.host.free_bytes is not None and weights > room:
        return _too_big("the weights alone need", weights, room, "this machine")
    return Judgement(
        Verdict.UNKNOWN, f"the weights take {format_bytes(weights)}; what else it needs cannot be derived", None
    )


def _too_big(what: str, need: int, room: int, where: str) -> Judgement:
    reason = f"{what} {format_bytes(need)}, {format_bytes(room)} are free on {where}"
    return Judgement(Verdict.TOO_BIG, reason, room - need)
