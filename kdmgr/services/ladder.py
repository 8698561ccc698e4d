"""All quants of one repository, each assessed, and the one to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.errors import Unreadable
from kdmgr.fit.plan import Verdict
from kdmgr.refs import HubRef

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.services.fitting import Fitting
    from kdmgr.services.rows import Assessment


@dataclass(frozen=True, slots=True)
class Ladder:
    """The quants from the smallest to the largest."""

    ref: HubRef
    rungs: tuple[Assessment, ...]
    recommended: Assessment | None
    """The best quality that fits; None when none runs."""
    problems: tuple[str, ...] = ()
    """A sentence for each file that could not be read."""


def assess_quants(services: Fitting, ref: HubRef, machine: Machine | None, options: RunOptions) -> Ladder:
    """Assess every quant of the repository `ref`. Raises what kept all of them from being read."""
    from kdmgr.services.hub_models import find_quants

    machine = machine or services.machine_of("huggingface")
    rungs: list[Assessment] = []
    problems: list[Unreadable] = []
    for found in find_quants(services, ref):
        try:
            if isinstance(found, Unreadable):
                raise found
            rungs.append(services.assess_found(found, machine, options))
        except Unreadable as error:
            problems.append(error)
    if not rungs:
        raise problems[0]
    return Ladder(ref, tuple(rungs), recommend(rungs), tuple(problem.message for problem in problems))


def recommend(rungs: Sequence[Assessment]) -> Assessment | None:
    """Of those with the best verdict the largest; where only a part fits the GPU, the one of which most does."""
    for verdict in (Verdict.FITS, Verdict.TIGHT, Verdict.PARTIAL, Verdict.CPU):
        alike = [rung for rung in rungs if rung.report.verdict is verdict]
        if alike:
            choose = min if verdict is Verdict.PARTIAL else max
            return choose(alike, key=lambda rung: rung.report.shape.weights.total)
    return None
