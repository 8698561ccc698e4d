"""How llama.cpp fits a model to devices that cannot hold all of it (common/fit.cpp, `common_params_fit_impl`).

Whole layers go to the devices back to front, the output layer first. Of a mixture of experts the dense parts go
first, then, where those fit, the experts of as many layers as there is room for, front to back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.graph.builder import Kept, Place
from kdmgr.fit.layout import Costs


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


def fill(costs: Costs, targets: Sequence[int]) -> list[Place]:
    """The layout that leaves no device with more than its target, in bytes."""
    loads = _fill_back_to_front(costs, targets)
    if costs.shape.experts is not None and _dense_parts_fit(costs, targets):
        loads = _return_experts(costs, targets, loads)
    return make_places(costs.n_layers, loads)


def make_places(n_layers: int, loads: Sequence[Load]) -> list[Place]:
    """One place for each layer and the output layer: the host's first, then each device's."""
    places = [Place()] * (n_layers - sum(load.n_layer for load in loads))
    for device, load in enumerate(loads):
        places += [Place(device)] * load.n_full
        for index in range(load.n_part):
            first = index == 0
            places.append(Place(device, load.kept if first else Kept.DENSE, load.overflow if first else HOST))
    # The output layer has no parts; where the last device keeps none of a layer whole, it is last all the same.
    return [*places[:-1], Place(places[-1].device)]


def _memory(costs: Costs, loads: Sequence[Load]) -> list[int]:
    shares = costs.shares(make_places(costs.n_layers, loads), projected=True)
    return [shares[device].known for device in range(costs.n_devices)]


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

    left = costs.n_layers - sum(load.n_layer for load in loads)
    return with_layers(_Search(costs, with_layers, device, targets[device]).most(left))


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

    search = _Search(costs, lambda n: _move(loads, device, start, n)[0], device, targets[device])
    return _move(loads, device, start, search.most(available))


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
    places = make_places(costs.n_layers, trial)
    touched = [each for each in (device, device + 1) if each < costs.n_devices]
    if any(costs.at_least(places, each) >= targets[each] for each in touched):
        return False
    shares = costs.shares(places, projected=True)
    return all(shares[each].known < targets[each] for each in touched)


class _Search:
    """How many layers a device holds, asked with as few graphs as can be: to lay one out takes longest."""

    def __init__(self, costs: Costs, layout: Callable[[int], list[Load]], device: int, target: int) -> None:
        self._costs = costs
        self._layout = layout
        self._device = device
        self._target = target

    def most(self, limit: int) -> int:
        """The largest number up to `limit` that stays below the target, if all below it do; 0 for none.

        Scratch memory hardly depends on the number of layers: what it is for one number says where to look next.
        """
        low, high = 0, self._largest_below(self._target, limit) + 1
        guess = high - 1
        while high - low > 1:
            known, bare = self._known(guess), self._bare(guess)
            if known <= self._target:
                low = guess
            else:
                high = guess
            expected = self._largest_below(self._target - (known - bare), high - 1)
            guess = min(max(expected, low + 1), high - 1)
        return low

    def _largest_below(self, room: int, limit: int) -> int:
        return _largest(lambda n: self._bare(n) <= room, limit)

    def _places(self, n: int) -> list[Place]:
        return make_places(self._costs.n_layers, self._layout(n))

    def _bare(self, n: int) -> int:
        return self._costs.at_least(self._places(n), self._device)

    def _known(self, n: int) -> int:
        return self._costs.shares(self._places(n), projected=True)[self._device].known


def _largest(holds: Callable[[int], bool], limit: int) -> int:
    """The largest number up to `limit` for which `holds`, taken to hold for all below it; 0 for none."""
    if limit <= 0 or holds(limit):
        return max(limit, 0)
    low, high = 0, limit
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low
