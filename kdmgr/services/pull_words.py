"""A pull's plan in words, the same in both front ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.services.pull_plan import PullPlan


def describe_amount(plan: PullPlan) -> str:
    """`2.03 GiB, 1.10 GiB there already (0.30 GiB from an interrupted pull)`."""
    size = "size unknown" if plan.total is None else format_bytes(plan.total)
    if plan.total is not None and plan.missing == 0:
        return f"{size}, all there already"
    if plan.here:
        size += f", {format_bytes(plan.here)} there already"
        if plan.left_over:
            size += f" ({format_bytes(plan.left_over)} from an interrupted pull)"
    return size


def describe_way(plan: PullPlan) -> str:
    """`through http://…`, or into the own store."""
    return f"through {plan.where}" if plan.engine == "ollama" else "into kdmgr's own store"


def describe_fit(plan: PullPlan) -> str:
    """`✔ fits: 3.10 GiB at context 4096, ~104 tok/s`; "" where it was not judged."""
    if plan.assessment is None:
        return ""
    from kdmgr.services.wording import MARKS, short_speed
    from kdmgr.units import format_count

    report = plan.assessment.report
    needed = format_bytes(report.plan.components.known)
    context = format_count(report.options.n_ctx)
    speed = f", {short_speed(report.speed)} tok/s" if report.speed else ""
    return f"{MARKS[report.verdict]} {report.verdict.value}: {needed} at context {context}{speed}"
