"""The facts that the panel lists about a model: plan, speed, lineage, doubts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.fit.plan import Components, DevicePlan, FitReport
from kdmgr.services.planning import planned_for
from kdmgr.services.wording import describe_context, describe_estimate, describe_prompt, describe_speed
from kdmgr.tui.plans import Problem
from kdmgr.tui.widgets.facts import Fact
from kdmgr.units import format_parameters

if TYPE_CHECKING:
    from kdmgr.catalog.match import Match
    from kdmgr.catalog.students import Lineage
    from kdmgr.fit.machine import Machine
    from kdmgr.services.rows import ModelRow


def facts_of(row: ModelRow, judged: FitReport | Problem | None) -> list[Fact]:
    """Everything worth a sentence, the most useful first."""
    facts = [*_plan_facts(judged)]
    if row.match is not None:
        facts += _student_facts(row.match)
    if isinstance(judged, FitReport):
        facts += [Fact("unknown", sentence, "$warning") for sentence in judged.unknown]
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


def _plan_facts(judged: FitReport | Problem | None) -> list[Fact]:
    if judged is None:
        return []
    if isinstance(judged, Problem):
        return [Fact("do", judged.hint)] if judged.hint else []
    found = judged.plan.estimate
    planned = [Fact("for", sentence, "$accent") for sentence in planned_for(judged.machine)]
    facts = [Fact("estimate", describe_estimate(found))] if found else []
    facts += [*planned, Fact("context", describe_context(judged)), Fact("speed", describe_speed(judged.speed))]
    if judged.speed is not None and judged.speed.prompt is not None:
        facts.append(Fact("prompt", describe_prompt(judged.speed.prompt)))
    return [*facts, *(Fact("try", sentence, "$accent") for sentence in judged.alternatives)]


def _student_facts(match: Match) -> list[Fact]:
    student, lineage = match.student, match.student.lineage
    relation = "" if match.relation == "itself" else ", from which this model is derived"
    who = f"{student.name}{relation}" + (f" · {student.publisher}" if student.publisher else "")
    facts = [
        Fact("student", who),
        Fact("teacher", _teacher(lineage)),
        Fact("method", f"{lineage.method}: {lineage.note}" if lineage.note else lineage.method),
        Fact("evidence", _evidence(lineage)),
    ]
    facts += [Fact("known by", f"{match.evidence[0]} ({match.certainty.value})")] if match.evidence else []
    facts += [Fact("source", student.evidence.url)] if student.evidence.url else []
    return facts


def _teacher(lineage: Lineage) -> str:
    teacher = lineage.teacher
    size = f" · {format_parameters(teacher.parameters)} parameters" if teacher.parameters is not None else ""
    weights = {True: " · open weights", False: " · closed", None: ""}[teacher.is_open]
    return f"{teacher.name}{size}{weights}"


def _evidence(lineage: Lineage) -> str:
    doubts = f"; not verified: {', '.join(lineage.doubts)}" if lineage.doubts else ""
    disputed = f"; disputed: {lineage.disputed}" if lineage.disputed else ""
    return f"{lineage.grade.value}{doubts}{disputed}"
