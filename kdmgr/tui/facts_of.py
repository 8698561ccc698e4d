"""The facts that the panel lists about a model: plan, speed, lineage, doubts. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdmgr.fit.plan import Components, DevicePlan, Verdict
from kdmgr.services.planning import planned_for
from kdmgr.services.size_estimates import SCRATCH, SizedStudent
from kdmgr.services.wording import describe_context, describe_estimate, describe_prompt, describe_speed
from kdmgr.tui.plans import Judged, Problem, report_of, speed_of
from kdmgr.tui.widgets.facts import Fact

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.services.rows import ModelRow


def facts_of(row: ModelRow, judged: Judged) -> list[Fact]:
    """Everything worth a sentence, the most useful first."""
    facts = [*_plan_facts(judged)]
    match = row.match
    if match is not None and match.evidence and row.installed:
        facts.append(Fact("known by", f"{match.evidence[0]} ({match.certainty.value})"))
    report = report_of(judged)
    if report is not None:
        facts += [Fact("unknown", sentence, "$warning") for sentence in report.unknown]
    return facts


def bare_places(machine: Machine) -> list[DevicePlan]:
    """The machine without a model: what is in use and what is free."""
    nothing = Components()
    devices = [
        DevicePlan(device.name, device.backend.value, device.total_bytes, device.free_bytes, 0, nothing)
        for device in machine.devices
    ]
    host = machine.host
    return [*devices, DevicePlan("host", "host", host.total_bytes, host.available_bytes, 0, nothing)]


def estimated_places(sized: SizedStudent, machine: Machine) -> list[DevicePlan]:
    """The machine with an estimate in the one place that would hold it all; without it where several would."""
    places = bare_places(machine)
    if sized.size_bytes is None or sized.memory_bytes is None:
        return places
    cache = max(sized.memory_bytes - sized.size_bytes - SCRATCH, 0)
    parts = Components(weights=sized.size_bytes, kv_cache=cache, compute=SCRATCH)
    at = {Verdict.CPU: -1, Verdict.FITS: 0, Verdict.TIGHT: 0}.get(sized.verdict)
    if at is not None and (at or len(machine.devices) == 1):
        places[at] = replace(places[at], components=parts)
    return places


def _plan_facts(judged: Judged) -> list[Fact]:
    if isinstance(judged, Problem):
        return [Fact("do", judged.hint)] if judged.hint else []
    facts = [Fact("figures", judged.words)] if isinstance(judged, SizedStudent) else []
    report = report_of(judged)
    if report is None:
        speed = speed_of(judged)
        return [*facts, Fact("speed", describe_speed(speed))] if speed is not None else facts
    found = report.plan.estimate
    facts += [Fact("estimate", describe_estimate(found))] if found else []
    facts += [Fact("for", sentence, "$accent") for sentence in planned_for(report.machine)]
    facts += [Fact("context", describe_context(report)), Fact("speed", describe_speed(speed_of(judged)))]
    if report.speed is not None and report.speed.prompt is not None:
        facts.append(Fact("prompt", describe_prompt(report.speed.prompt)))
    return [*facts, *(Fact("try", sentence, "$accent") for sentence in report.alternatives)]
