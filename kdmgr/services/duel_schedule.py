"""Whether two models answer at once or one after the other: by the memory that both would take. Arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from kdmgr.fit.plan import FitReport, Verdict
from kdmgr.fit.solve import RANK
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdmgr.fit.machine import Device, Machine
    from kdmgr.fit.plan import DevicePlan, MemoryPlan

    Judge = Callable[[Machine], FitReport]


class Order(StrEnum):
    """What was asked for."""

    AUTO = "auto"
    AT_ONCE = "at once"
    IN_TURN = "in turn"


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a duel is run."""

    together: bool
    """Both answer at the same time, else the left one first."""
    frees_memory: bool
    """The first model is unloaded before the second is loaded, and the other way round."""
    reason: str


@dataclass(frozen=True, slots=True)
class Contender:
    """What is known of one side before it is asked."""

    name: str
    judge: Judge | None
    """Plans it on a machine; None where it cannot be planned, and `unknown` says why."""
    engine: str
    """ "ollama" or "llamacpp"."""
    in_memory: bool = False
    """Whether a server holds it already, so that it takes nothing more."""
    unknown: str = ""


def decide(left: Contender, right: Contender, machine: Machine, order: Order = Order.AUTO) -> Schedule:
    """Together where memory holds both and neither is moved off a GPU by the other.

    Two that run on the processor take turns unless asked otherwise: their threads would only wait for each other.
    """
    if left.name == right.name and left.engine == right.engine == "ollama":
        return Schedule(False, False, "both sides are one model of the server, which is loaded once")
    fits, why = _fit_together(left, right, machine)
    if order is Order.IN_TURN:
        return Schedule(False, not fits, f"as asked; {why}")
    if fits and order is Order.AUTO and all(_on_processor(side, machine) for side in (left, right)):
        return Schedule(False, False, f"they would slow each other down on the processor; {why}")
    return Schedule(fits, not fits, why)


def _on_processor(side: Contender, machine: Machine) -> bool:
    return side.judge(machine).plan.n_gpu_layers == 0 if side.judge else not machine.devices


def _fit_together(left: Contender, right: Contender, machine: Machine) -> tuple[bool, str]:
    if left.in_memory and right.in_memory:
        return True, "the server holds both in memory already"
    for side in (left, right):
        if side.judge is None and not side.in_memory:
            return False, f"what {side.name} would take is not known: {side.unknown}"
    if left.judge is None or left.in_memory or right.judge is None or right.in_memory:
        return _fit_beside(*((right, left) if left.in_memory else (left, right)), machine)
    first, alone = left.judge(machine), right.judge(machine)
    beside = right.judge(without(machine, first.plan))
    return _compare(left, right, first, alone, beside)


def _fit_beside(new: Contender, held: Contender, machine: Machine) -> tuple[bool, str]:
    """Whether `new` runs beside a model that is in memory: its memory is not free any more."""
    assert new.judge is not None
    report = new.judge(machine)
    held_words = f"the server holds {held.name} already"
    if report.verdict in (Verdict.TOO_BIG, Verdict.UNKNOWN):
        return False, f"{held_words}, and {new.name} does not fit beside it: {report.reason}"
    return True, f"{held_words}, and {new.name} fits beside it ({_need(report.plan)})"


def _compare(
    left: Contender, right: Contender, first: FitReport, alone: FitReport, beside: FitReport
) -> tuple[bool, str]:
    for side, report in ((left, first), (right, alone)):
        if report.verdict in (Verdict.TOO_BIG, Verdict.UNKNOWN):
            return False, f"{side.name} alone: {report.reason}"
    needs = f"{left.name} takes {_need(first.plan)}, {right.name} {_need(alone.plan)}"
    if _rank(beside.verdict) >= _rank(alone.verdict):
        return True, f"both fit in memory together: {needs} of {_free(first.plan)}"
    return False, f"they do not fit in memory together: {needs} of {_free(first.plan)}"


def without(machine: Machine, plan: MemoryPlan) -> Machine:
    """The machine with what `plan` takes gone from its free memory."""
    places = list(plan.devices)
    devices = tuple(_shrink(device, places) for device in machine.devices)
    host, available = machine.host, machine.host.available_bytes
    if available is not None:
        host = replace(host, available_bytes=max(available - plan.host.components.known, 0))
    return replace(machine, devices=devices, host=host)


def _shrink(device: Device, places: list[DevicePlan]) -> Device:
    """The device less what the first of `places` takes that is on it, which is taken off the list."""
    for at, place in enumerate(places):
        if (place.name, place.free_bytes) == (device.name, device.free_bytes):
            taken = places.pop(at).components.known
            return replace(device, free_bytes=max(device.free_bytes - taken, 0))
    return device


def _rank(verdict: Verdict) -> int:
    """With and without the margin to spare is the same here."""
    return RANK.get(Verdict.TIGHT if verdict is Verdict.FITS else verdict, -1)


def _need(plan: MemoryPlan) -> str:
    size = plan.components
    return format_bytes(size.known) if size.total is not None else f"at least {format_bytes(size.known)}"


def _free(plan: MemoryPlan) -> str:
    used = [device for device in plan.devices if device.n_layers]
    if not used:
        return f"{format_bytes(plan.host.free_bytes)} of host memory"
    free = sum(device.free_bytes or 0 for device in used)
    return f"{format_bytes(free)} free on {used[0].name if len(used) == 1 else f'{len(used)} GPUs'}"
