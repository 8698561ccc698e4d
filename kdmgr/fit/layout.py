"""Which layers lie where, and what that takes in each place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kdmgr.fit.compute import ComputeBuffers, add_layer_inputs, compute_buffers, output_buffer
from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.graph.builder import Kept, Place
from kdmgr.fit.graph.choosing import choose_layers, layer_kinds
from kdmgr.fit.kv_cache import layer_bytes, state_bytes
from kdmgr.fit.options import ResolvedOptions
from kdmgr.gguf.shape import ModelShape


@dataclass(frozen=True, slots=True)
class Share:
    """Bytes in one place."""

    weights: int = 0
    kv_cache: int | None = 0
    recurrent: int = 0
    compute: int | None = 0
    reads: int = 0
    """Of the weights, what one token makes the engine read."""

    @property
    def known(self) -> int:
        """The sum of what is known."""
        return self.weights + (self.kv_cache or 0) + self.recurrent + (self.compute or 0)


class Tally:
    """A share that is being added up; called for every layer of every layout tried."""

    __slots__ = ("kv_cache", "reads", "recurrent", "weights")

    def __init__(self, kv_cache: int | None) -> None:
        self.weights = self.reads = self.recurrent = 0
        self.kv_cache = kv_cache

    def add(self, weights: int, reads: int, kv_cache: int = 0, recurrent: int = 0) -> None:
        """One more layer, or a part of one."""
        self.weights += weights
        self.reads += reads
        self.recurrent += recurrent
        if self.kv_cache is not None:
            self.kv_cache += kv_cache

    def total(self) -> Share:
        """The share so far, without scratch memory."""
        return Share(self.weights, self.kv_cache, self.recurrent, 0, self.reads)


class Costs:
    """What the layers of one model cost with one set of options, wherever they lie."""

    def __init__(
        self, shape: ModelShape, options: ResolvedOptions, n_devices: int, *, widens_cache: bool = False
    ) -> None:
        self._widens_cache = widens_cache
        self.shape = shape
        self.options = options
        self.n_devices = n_devices
        self.n_layers = shape.n_layer + 1
        self.kv = layer_bytes(shape.attention, options) if shape.attention else None
        self.recurrent = state_bytes(shape, options)
        self._kinds = layer_kinds(shape)
        self._buffers: dict[tuple[object, ...], ComputeBuffers] = {}

    @property
    def output(self) -> int | None:
        """Bytes for the logits that are read back, in host memory beside the compute buffer."""
        return output_buffer(self.shape, self.options)

    def compute(self, places: Sequence[Place], *, projected: bool = False) -> ComputeBuffers:
        """Scratch memory in each place. Layouts that differ only in how many layers of a kind there are share it."""
        # On one device, or with a part on the host, what is projected is what is taken.
        projected = projected and HOST != places[0].device != places[-1].device != HOST
        key = (projected, *self._signature(places))
        if key not in self._buffers:
            # Even without a layer the first device works: large batches are sent there.
            self._buffers[key] = compute_buffers(
                self.shape,
                self.options,
                places,
                self.n_devices,
                widens_cache=self._widens_cache,
                projected=projected,
            )
        return add_layer_inputs(self._buffers[key], self.shape, self.options, places)

    def _signature(self, places: Sequence[Place]) -> tuple[object, ...]:
        """What the graph depends on: the layers in it, by kind, and where they lie."""
        chosen = choose_layers(self._kinds, places, has_states=self.shape.recurrent is not None)
        return (places[-1], *((self._kinds[layer], places[layer]) for layer in chosen))

    def shares(self, places: Sequence[Place], *, projected: bool = False) -> dict[int, Share]:
        """What each place holds: devices by index, and HOST. `projected`: as the engine's own fit reckons."""
        buffers = self.compute(places, projected=projected)
        held = {place: tally.total() for place, tally in self._count(places).items()}
        held[HOST] = replace(held[HOST], compute=buffers.host)
        for device in range(self.n_devices):
            held[device] = replace(held[device], compute=buffers.devices[device])
        return held

    def at_least(self, places: Sequence[Place], device: int) -> int:
        """Bytes on `device` without its scratch memory: a bound that is quick to tell."""
        return self._count(places)[device].total().known

    def _count(self, places: Sequence[Place]) -> dict[int, Tally]:
        weights = self.shape.weights
        held = {place: Tally(None if self.kv is None else 0) for place in (HOST, *range(self.n_devices))}
        held[HOST].weights = weights.input
        for layer, place in enumerate(places[:-1]):
            kept, reads = self._weights(layer, place.kept)
            held[place.device].add(kept, reads, self.kv[layer] if self.kv else 0, self.recurrent[layer])
            rest = weights.blocks[layer] - kept
            if rest:
                held[place.overflow].add(rest, self._weights(layer, Kept.ALL)[1] - reads)
        last = places[-1].device
        output = weights.output_layer if last != HOST else weights.output
        held[last].add(output, weights.output + (weights.token_embd if weights.tied else 0))
        return held

    def _weights(self, layer: int, kept: Kept) -> tuple[int, int]:
        """Bytes of the layer that are kept, and how many of those one token reads."""
        weights, experts = self.shape.weights, self.shape.experts
        total, routed = weights.blocks[layer], weights.experts[layer]
        up, gate, down = weights.feeds[layer]
        active = experts.n_expert_used / experts.n_expert if experts else 1.0
        if kept is Kept.ALL:
            return total, total - routed + int(routed * active)
        if kept is Kept.DENSE:
            return total - routed, total - routed
        gone = {Kept.ATTENTION: up + gate + down, Kept.UP: gate + down, Kept.UP_AND_GATE: down}[kept]
        stays = up + gate + down - gone
        return total - gone, total - up - gate - down + int(stays * active)
