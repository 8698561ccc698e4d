"""The short answer: verdict and speed of one plan, without the search for what else would do.

For tables of many models; `assess` tells the whole story of one.
"""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.fit.machine import Machine
from kdmgr.fit.options import RunOptions, resolve
from kdmgr.fit.placement import place
from kdmgr.fit.plan import MemoryPlan, Speed, Verdict
from kdmgr.fit.speed import predict_speed
from kdmgr.fit.verdict import judge
from kdmgr.gguf.shape import ModelShape


@dataclass(frozen=True, slots=True)
class Brief:
    """One model on one machine. Without a plan it is known to be too big, and was not laid out."""

    verdict: Verdict
    reason: str
    n_ctx: int | None
    plan: MemoryPlan | None = None
    speed: Speed | None = None

    @property
    def memory(self) -> int | None:
        """Bytes over all places; None without a plan, or where a part of it is unknown."""
        return self.plan.components.total if self.plan else None


def assess_briefly(shape: ModelShape, machine: Machine, options: RunOptions) -> Brief:
    """Plan and judge `shape` on `machine`."""
    if not machine.devices_known:
        return Brief(Verdict.UNKNOWN, "the GPUs of that computer are not known", options.n_ctx)
    resolved = resolve(options, shape, machine)
    plan = place(shape, resolved, machine)
    judgement = judge(plan, options.margin_bytes)
    runs = judgement.verdict not in (Verdict.TOO_BIG, Verdict.UNKNOWN)
    speed = predict_speed(shape, resolved, plan, machine)[0] if runs else None
    return Brief(judgement.verdict, judgement.reason, resolved.n_ctx, plan, speed)


def exceeds(n_bytes: int, machine: Machine) -> bool | None:
    """Whether so many bytes are more than all free memory of `machine` together; None where that is not known."""
    if machine.host.available_bytes is None or not machine.devices_known:
        return None
    return n_bytes > machine.host.available_bytes + sum(device.free_bytes for device in machine.devices)
