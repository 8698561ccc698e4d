"""How llama.cpp fits a model to devices that cannot hold all of it (common/fit.cpp, `common_params_fit_impl`).

Whole layers go to the devices back to front, the output layer first. Of a mixture of experts the dense parts go
first, then, where those fit, the experts of as many layers as there is room for, front to back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.layout import Costs, Kept, Slot


@dataclass(frozen=True, slots=True)
class Load:
    """What one device gets: `n_part` of its `n_layer` layers are there without their experts."""

    n_layer: int = 0
    n_part: int = 0
    kept: Kept = Kept.DENSE
    """What is kept of the first of these; of the others, all but the experts."""
    overflow: int = HOST

    @property
    def n_full(self) -> int:
        """Layers that are there as a whole."""
        return self.n_layer - self.n_part


def fill(costs: Costs, targets: Sequence[int]) -> list[Slot]:
    """The layout that leaves no device with more than its target, in bytes."""
    loads = _fill_back_to_front(costs, targets)
    if costs.shape.experts is not None and _dense_parts_fit(costs, targets):
        loads = _return_experts(costs, targets, loads)
    return make_slots(costs.n_layers, loads)


def make_slots(n_layers: int, loads: Sequence[Load]) -> list[Slot]:
    """One slot for each layer and the output layer: the host's first, then each device's."""
    slots = [Slot()] * (n_layers - sum(load.n_layer for load in loads))
    for device, load in enumerate(loads):
        slots += [Slot(device)] * load.n_full
        for index in range(load.n_part):
            first = index == 0
            slots.append(Slot(device, load.kept if first else Kept.DENSE, load.overflow if first else HOST))
    # The output layer has no parts; where the last device keeps none of a layer whole, it is last all the same.
    return [*slots[:-1], Slot(slots[-1].device)]


def _memory(costs: Costs, loads: Sequence[Load]) -> list[int]:
    shares = costs.shares(make_slots(costs.n_layers, loads))
    return [shares[device].known for device in range(costs.n_devices)]


def _stays_below(costs: Costs, loads: Sequence[Load], device: int, target: int) -> bool:
    slots = make_slots(costs.n_layers, loads)
    return costs.at_least(slots, device) <= target and costs.shares(slots)[device].known <= target


def _fill_back_to_front(costs: Costs, targets: Sequence[int]) -> list[Load]:
    loads = [Load()] * costs.n_devices
    for device in range(costs.n_devices - 1, -1, -1):
        loads = _fill_device(costs, targets, loads, device)
    return loads


def _fill_device(costs: Costs, targets: Sequence[int], loads: list[Load], device: int) -> list[Load]:
    """Give `device` as many of the layers that are left as it holds, of a mixture without their experts."""
    whole = 1 if device == costs.n_devices - 1 else 0
    partial = costs.shape.experts is not None

    def with_layers(n: int) -> list[Load]:
        load = Load(n, max(n - whole, 0) if partial else 0)
        return [*loads[:device], load, *loads[device + 1 :]]

    def fits(n: int) -> bool:
        return _stays_below(costs, with_layers(n), device, targets[device])

    return with_layers(_most(fits, costs.n_layers - sum(load.n_layer for load in loads)))


def _dense_parts_fit(costs: Costs, targets: Sequence[int]) -> bool:
    """Whether there is room to spare, over all devices, with all experts on the host."""
    counts = split_by_share(costs.n_layers, targets)
    last = costs.n_devices - 1
    loads = [Load(n, max(n - (1 if device == last else 0), 0)) for device, n in enumerate(counts)]
    return sum(targets) > sum(_memory(costs, loads))


def split_by_share(n_layers: int, shares: Sequence[float]) -> list[int]:
    """How many consecutive layers each device gets (llama-model.cpp: `std::upper_bound` over the sums)."""
    total = sum(shares) or 1
    bounds = [sum(shares[: device + 1]) / total for device in range(len(shares))]
    counts = [0] * len(shares)
    for layer in range(n_layers):
        position = layer / n_layers
        counts[next((device for device, bound in enumerate(bounds) if bound > position), len(shares) - 1)] += 1
    return counts


def _return_experts(costs: Costs, targets: Sequence[int], loads: list[Load]) -> list[Load]:
    n_devices = costs.n_devices
    start = next((device for device, load in enumerate(loads) if load.n_layer), n_devices)
    for device in range(n_devices):
        if device > start:
            break
        loads, start = _convert_layers(costs, targets, loads, device, start)
        loads, start = _add_part_of_layer(costs, targets, loads, device, start)
    return loads


def _convert_layers(
    costs: Costs, targets: Sequence[int], loads: list[Load], device: int, start: int
) -> tuple[list[Load], int]:
    """Give `device` as many whole layers as it holds, taken from those without experts."""
    available = sum(load.n_part for load in loads[start:])

    def fits(n: int) -> bool:
        return _stays_below(costs, _move(loads, device, start, n)[0], device, targets[device])

    return _move(loads, device, start, _most(fits, available))


def _move(loads: Sequence[Load], device: int, start: int, n: int) -> tuple[list[Load], int]:
    moved = list(loads)
    left = n
    while start < len(moved):
        taken = min(left, moved[start].n_part)
        moved[start] = replace(moved[start], n_layer=moved[start].n_layer - taken, n_part=moved[start].n_part - taken)
        moved[device] = replace(moved[device], n_layer=moved[device].n_layer + taken)
        left -= taken
        if moved[start].n_part or start == len(moved) - 1:
            break
        start += 1
    return moved, start


def _add_part_of_layer(
    costs: Costs, targets: Sequence[int], loads: list[Load], device: int, start: int
) -> tuple[list[Load], int]:
    """Try to keep a part of one more layer on `device`: attention and up, then gate too, else attention alone."""
    last = costs.n_devices - 1
    if start > last or loads[start].n_part < 1 or loads[start].n_layer <= (0 if device < last else 1):
        return loads, start
    trial = list(loads)
    trial[start] = replace(trial[start], n_layer=trial[start].n_layer - 1, n_part=trial[start].n_part - 1)
    trial[device] = replace(
        trial[device],
        n_layer=trial[device].n_layer + 1,
        n_part=trial[device].n_part + 1,
        overflow=device + 1 if device < last else HOST,
    )
    after = start + 1 if trial[start].n_part == 0 else start
    kept = [Kept.UP, Kept.UP_AND_GATE] if _holds(costs, targets, trial, device, Kept.UP) else [Kept.ATTENTION]
    for choice in reversed(kept):
        if _holds(costs, targets, trial, device, choice):
            trial[device] = replace(trial[device], kept=choice)
            return trial, after
    return loads, start


def _holds(costs: Costs, targets: Sequence[int], loads: Sequence[Load], device: int, kept: Kept) -> bool:
    trial = [*loads[:device], replace(loads[device], kept=kept), *loads[device + 1 :]]
    memory = _memory(costs, trial)
    return all(memory[each] < targets[each] for each in (device, device + 1) if each < len(memory))


def _most(fits: Callable[[int], bool], limit: int) -> int:
    """The largest number up to `limit` for which `fits` holds, taken to hold for all below it; 0 for none."""
    if limit <= 0:
        return 0
    if fits(limit):
        return limit
    low, high = 0, limit
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low
