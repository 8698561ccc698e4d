"""The whole answer: plan, verdict, largest context, speed and what else could be tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kdmgr.fit.kv_cache import CELL_PADDING
from kdmgr.fit.machine import Backend, Machine
from kdmgr.fit.options import ResolvedOptions, RunOptions, resolve
from kdmgr.fit.overhead import LATENT_PEAK, device_overhead
from kdmgr.fit.placement import place
from kdmgr.fit.plan import FitReport, MemoryPlan, Verdict
from kdmgr.fit.solve import RANK, finest_cache, reaches
from kdmgr.fit.speed import predict_speed
from kdmgr.fit.verdict import Judgement, judge
from kdmgr.gguf.shape import ModelShape
from kdmgr.units import format_bytes, format_count


def assess(
    shape: ModelShape, machine: Machine, options: RunOptions | None = None, *, ref: str, source: str
) -> FitReport:
    """Plan `shape` on `machine` and judge the plan. Pure: the same input gives the same report."""
    wanted = options or RunOptions()
    resolved = resolve(wanted, shape, machine)
    plan = place(shape, resolved, machine)
    judgement = judge(plan, wanted.margin_bytes)
    speed, why_no_speed = predict_speed(shape, resolved, plan, machine)
    if judgement.verdict in (Verdict.TOO_BIG, Verdict.UNKNOWN):
        speed = None
    return FitReport(
        ref=ref,
        source=source,
        shape=shape,
        machine=machine,
        options=resolved,
        plan=plan,
        verdict=judgement.verdict,
        reason=judgement.reason,
        headroom_bytes=judgement.headroom,
        max_n_ctx=_largest_context(shape, machine, wanted, judgement.verdict),
        speed=speed,
        alternatives=tuple(_alternatives(shape, machine, wanted, resolved, judgement)),
        unknown=(
            *shape.unknown,
            *_unestimated(resolved, plan),
            *_ungraphed(shape, resolved, plan),
            *_unmeasured(shape, machine, plan),
            *((why_no_speed,) if why_no_speed else ()),
        ),
    )


def largest_context(shape: ModelShape, machine: Machine, options: RunOptions, least: Verdict) -> int | None:
    """Largest context whose verdict is `least` or better, in steps of 256; None where none is.

    None too where the model does not say how much context it was trained for.
    """
    if shape.attention is None or shape.n_ctx_train is None:
        return None

    def good(n_ctx: int) -> bool:
        return reaches(shape, machine, replace(options, n_ctx=n_ctx), least) is not None

    if good(shape.n_ctx_train):
        return shape.n_ctx_train
    return _bisect(good, shape.n_ctx_train // CELL_PADDING) * CELL_PADDING or None


def _bisect(good: Callable[[int], bool], steps: int) -> int:
    """The largest number of steps for which `good` holds; 0 where none does."""
    low, high = 0, steps + 1
    while high - low > 1:
        middle = (low + high) // 2
        if good(middle * CELL_PADDING):
            low = middle
        else:
            high = middle
    return low


def _largest_context(shape: ModelShape, machine: Machine, options: RunOptions, verdict: Verdict) -> int | None:
    if verdict is Verdict.UNKNOWN:
        return None
    # For a model that does not fit as asked, the question is where it would begin to run at all.
    least = Verdict.CPU if verdict is Verdict.TOO_BIG else verdict
    return largest_context(shape, machine, options, least)


def _alternatives(
    shape: ModelShape, machine: Machine, options: RunOptions, resolved: ResolvedOptions, judgement: Judgement
) -> list[str]:
    """Cheaper ways to run it, each tried out before it is named."""
    if judgement.verdict in (Verdict.FITS, Verdict.UNKNOWN) or shape.attention is None:
        return []
    goal = Verdict.FITS if machine.devices else Verdict.CPU
    if RANK[judgement.verdict] >= RANK[goal]:
        return []
    place_name = "fits" if machine.devices else "runs on the CPU"
    found = []
    fewer = largest_context(shape, machine, options, goal)
    if fewer is not None and fewer < resolved.n_ctx:
        found.append(f"with a context of {format_count(fewer)} or less it {place_name}")
    smaller = finest_cache(shape, machine, replace(options, n_ctx=resolved.n_ctx), goal)
    if smaller is not None:
        name, after = smaller
        left = format_bytes(after.headroom)
        found.append(f"with a {name} KV cache it {place_name} at {format_count(resolved.n_ctx)}, {left} to spare")
    return found


def _unestimated(options: ResolvedOptions, plan: MemoryPlan) -> list[str]:
    if not options.engine_build.estimates or plan.estimate is not None:
        return []
    return ["what Ollama would estimate: without a vocabulary, or with this host's memory unknown, it cannot be told"]


def _ungraphed(shape: ModelShape, options: ResolvedOptions, plan: MemoryPlan) -> list[str]:
    if not options.in_ollamas_engine or shape.attention is None or plan.components.compute is not None:
        return []
    part = "that reads images" if shape.engine_view.vision else "of this architecture"
    return [f"compute buffer: the graph {part} in Ollama's own engine is not known"]


def _unmeasured(shape: ModelShape, machine: Machine, plan: MemoryPlan) -> list[str]:
    """What the machine leaves open."""
    left_open = []
    for device, planned in zip(machine.devices, plan.devices, strict=True):
        overhead = device_overhead(device)
        if planned.n_layers and overhead.size is None:
            left_open.append(f"overhead: {overhead.basis}")
        elif planned.n_layers and device.backend is Backend.CUDA and shape.attention and shape.attention.latent:
            seen = format_bytes(LATENT_PEAK)
            left_open.append(f"overhead: in use, latent attention has been seen to take up to {seen} with CUDA")
    return list(dict.fromkeys(left_open))
