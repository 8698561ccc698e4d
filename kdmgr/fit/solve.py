"""Questions asked backwards: which cache type, card or unloading would make a model fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from kdmgr.fit.machine import Device, Host, Machine
from kdmgr.fit.options import EngineBuild, RunOptions, resolve
from kdmgr.fit.overhead import device_overhead
from kdmgr.fit.placement import budget, lay_out, make_costs, place
from kdmgr.fit.plan import MemoryPlan, Verdict
from kdmgr.fit.verdict import Judgement, judge
from kdmgr.gguf.shape import ModelShape

RANK = {Verdict.FITS: 4, Verdict.TIGHT: 3, Verdict.PARTIAL: 2, Verdict.CPU: 1, Verdict.TOO_BIG: 0}
"""Better verdicts rank higher; `unknown` has no rank."""
# From the finest to the coarsest; below 4 bits nothing is left to save.
SMALLER_CACHES = ("q8_0", "q5_1", "q4_0")
# What Ollama up to 0.24 takes of these.
_OLDER_CACHES = ("q8_0", "q4_0")
_OLDER_BUILDS = (EngineBuild.OLLAMA_011, EngineBuild.OLLAMA_024)
_MOST_UNLOADED = 3


def try_options(shape: ModelShape, machine: Machine, options: RunOptions) -> Judgement:
    """Only the verdict: what solvers ask many times."""
    return judge(place(shape, resolve(options, shape, machine), machine), options.margin_bytes)


def reaches(shape: ModelShape, machine: Machine, options: RunOptions, goal: Verdict) -> Judgement | None:
    """The judgement when it is `goal` or better."""
    whole = RANK[goal] >= RANK[Verdict.TIGHT] and options.n_gpu_layers is None
    if whole and not resolve(options, shape, machine).lays_out_itself:
        # Nothing but the whole model on devices will do: no need to find out which part of it would go there.
        options = replace(options, n_gpu_layers=shape.n_layer + 1)
    judgement = try_options(shape, machine, options)
    return judgement if RANK.get(judgement.verdict, -1) >= RANK[goal] else None


def finest_cache(
    shape: ModelShape, machine: Machine, options: RunOptions, goal: Verdict
) -> tuple[str, Judgement] | None:
    """The finest quantised KV cache type with which the verdict is `goal` or better; None when none does it."""
    if options.type_k != "f16" or options.type_v != "f16" or options.flash_attn is False:
        return None
    for name in SMALLER_CACHES:
        if options.engine_build in _OLDER_BUILDS and name not in _OLDER_CACHES:
            continue
        judgement = reaches(shape, machine, replace(options, type_k=name, type_v=name), goal)
        if judgement is not None:
            return name, judgement
    return None


def whole_on(shape: ModelShape, machine: Machine, options: RunOptions, card: Device) -> MemoryPlan:
    """The plan with every layer on one `card` beside the host of `machine`, whether it would hold them or not."""
    whole = replace(options, n_gpu_layers=shape.n_layer + 1, n_cpu_moe=0, tensor_split=(), main_gpu=0)
    alone = replace(machine, devices=(card,), declared=True)
    return place(shape, resolve(whole, shape, alone), alone)


def smallest_device(shape: ModelShape, machine: Machine, options: RunOptions, cards: Sequence[Device]) -> Device | None:
    """Of `cards` (in any order) the one with least memory that holds the whole model alone, with the margin."""
    return smallest_holding(whole_on(shape, machine, options, cards[0]), options, cards) if cards else None


def smallest_holding(whole: MemoryPlan, options: RunOptions, cards: Sequence[Device]) -> Device | None:
    """The same for a plan on one card.

    What a model takes on one card is the same for all of them, but for the driver's context.
    """
    parts = whole.devices[0].components
    if parts.kv_cache is None or parts.compute is None:
        return None
    need = parts.known - (parts.overhead or 0) + options.margin_bytes
    holding = [card for card in cards if need + (device_overhead(card).size or 0) <= card.free_bytes]
    return min(holding, key=lambda card: (card.free_bytes, "GeForce" not in card.name, card.name), default=None)


def fewest_devices(
    shape: ModelShape, options: RunOptions, card: Device, whole: MemoryPlan, most: int = 64
) -> int | None:
    """How many of `card` hold the model of the plan `whole_on` one, split by layers, with the margin on each.

    On each, as much scratch memory is counted as the whole model needs on one. None where `most` do not hold it.
    """
    parts = whole.devices[0].components
    room = budget(card) - options.margin_bytes
    if parts.kv_cache is None or parts.compute is None or room <= parts.compute:
        return None
    held = parts.known - (parts.overhead or 0) - parts.compute
    # Neither the context nor its cache depends on how many cards there are.
    alone = Machine((card,), Host(None, None, None, None, ""), declared=True)
    resolved = resolve(replace(options, n_gpu_layers=shape.n_layer + 1), shape, alone)
    for count in range(max(-(-held // (room - parts.compute)), 1), most + 1):
        cards = (card,) * count
        costs = make_costs(shape, resolved, cards)
        places = lay_out(costs, cards)
        if all(costs.at_least(places, index) + parts.compute <= room for index in range(count)):
            return count
    return None


def least_to_unload(
    shape: ModelShape, machine: Machine, options: RunOptions, loaded: Sequence[tuple[str, int]]
) -> tuple[tuple[str, int], ...] | None:
    """The fewest loaded models (name and bytes on the device), then the smallest, whose unloading makes it fit.

    What is freed is counted for the device in use by most; None when not even unloading a few would do.
    """
    if not machine.devices or not loaded:
        return None
    fullest = max(range(len(machine.devices)), key=lambda index: machine.devices[index].used_bytes)
    for count in range(1, min(len(loaded), _MOST_UNLOADED) + 1):
        choices = sorted(combinations(loaded, count), key=lambda chosen: sum(size for _, size in chosen))
        for chosen in choices:
            freed = _free(machine, fullest, sum(size for _, size in chosen))
            if reaches(shape, freed, options, Verdict.FITS) is not None:
                return chosen
    return None


def _free(machine: Machine, index: int, n_bytes: int) -> Machine:
    devices = list(machine.devices)
    device = devices[index]
    devices[index] = replace(device, free_bytes=min(device.free_bytes + n_bytes, device.total_bytes))
    return replace(machine, devices=tuple(devices))
