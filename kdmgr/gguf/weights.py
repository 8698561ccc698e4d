"""The weights of a model, grouped as engines place them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kdmgr.gguf.header import GgufHeader, TensorInfo

_BLOCK = re.compile(r"blk\.(\d{1,4})\.")


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes by place. Their sum is the file's tensor data, without padding."""

    input: int
    """`token_embd` and other tables that are looked up, not multiplied: they stay in host memory."""
    output: int
    """Output norm and head; only the norm where the head is tied to the input."""
    blocks: tuple[int, ...]
    """One entry per layer."""
    experts: tuple[int, ...]
    """Of each layer, the part that belongs to routed experts."""
    feeds: tuple[tuple[int, int, int], ...]
    """Of each layer, the tensors whose names begin with `ffn_up`, `ffn_gate` and `ffn_down`, as they are told apart
    when a layer is divided between places."""
    token_embd: int
    """The part of `input` that tokens are looked up in."""
    tied: bool
    """Whether the output head is `token_embd` itself."""
    copied: bool
    """Whether an offloaded output layer needs its own copy of `token_embd`: when tied, for what speaks."""
    largest: int
    """The largest single tensor of a block."""
    unused: int
    """Layers that predict further tokens: not loaded unless a draft is asked for (llama.cpp, `TENSOR_SKIP`)."""

    @property
    def total(self) -> int:
        """All that is loaded, once."""
        return self.input + self.output + sum(self.blocks)

    @property
    def output_layer(self) -> int:
        """What the output layer takes on a device: a tied head is copied there."""
        return self.output + (self.token_embd if self.copied else 0)


# Of no layer by their names, but placed with the first (llama.cpp creates them as tensors of layer 0).
_FIRST_LAYER = ("per_layer_model_proj", "per_layer_proj_norm")

# Looked up by token, never multiplied (llama-arch.cpp: LLM_TENSOR_LAYER_INPUT).
_INPUT = ("token_embd", "per_layer_token_embd", "position_embd", "token_types", "token_embd_norm")


@dataclass(frozen=True, slots=True)
class LayerTensors:
    """The tensors of one kind of layer: shapes in ggml's order, by name without `blk.N.`."""

    shapes: Mapping[str, tuple[int, ...]]
    sizes: Mapping[str, int]
    """Bytes of each tensor, of the largest among the layers of this kind."""

    def __contains__(self, name: str) -> bool:
        # Some norms go without the suffix (plamo2).
        return f"{name}.weight" in self.shapes or name in self.shapes

    def has_bias(self, name: str) -> bool:
        """Whether `name` has a bias beside its weight."""
        return f"{name}.bias" in self.shapes

    def size(self, name: str) -> int:
        """Bytes of the weight called `name`; 0 when there is no such tensor."""
        return self.sizes.get(f"{name}.weight", 0)

    def rows(self, name: str) -> int:
        """Elements that a multiplication with `name` gives for one token; 0 when there is no such tensor."""
        shape = self.shapes.get(f"{name}.weight", ())
        return shape[1] if len(shape) > 1 else 0

    def columns(self, name: str) -> int:
        """Elements that a multiplication with `name` takes for one token; 0 when there is no such tensor."""
        return self.shapes.get(f"{name}.weight", (0,))[0]


@dataclass(frozen=True, slots=True)
class Layers:
    """What the layers are made of: a few kinds, and which layer is of which."""

    kinds: tuple[LayerTensors, ...]
    kind_of: tuple[int, ...]
    rope_factors: bool = False
    """Whether there is a tensor of factors for the rotation by position."""
    parallel_residual: bool = False
    """Whether attention and feed-forward read the same input, where the header says so (gptneox)."""


def weigh(header: GgufHeader, n_layer: int, *, copies_head: bool = True) -> tuple[Weights, Layers]:
    """Group the tensors of `header` by the layer they belong to; layers beyond `n_layer` are not loaded.

    `copies_head` is False for an architecture that makes no logits, or makes them where the table lies.
    """
    blocks, experts = [0] * n_layer, [0] * n_layer
    feeds = [[0, 0, 0] for _ in range(n_layer)]
    tensors: list[dict[str, TensorInfo]] = [{} for _ in range(n_layer)]
    placed_input = placed_output = token_embd = largest = unused = 0
    names = set()
    for tensor in header.tensors:
        names.add(tensor.name)
        match = _BLOCK.match(tensor.name)
        if match is None:
            stem = tensor.name.partition(".")[0]
            if stem in _FIRST_LAYER:
                tensors[0][tensor.name] = tensor
                blocks[0] += tensor.n_bytes
                largest = max(largest, tensor.n_bytes)
            elif stem in _INPUT:
                placed_input += tensor.n_bytes
                token_embd += tensor.n_bytes * tensor.name.startswith("token_embd.")
            else:
                placed_output += tensor.n_bytes
        elif int(match[1]) >= n_layer:
            unused += tensor.n_bytes
        else:
            layer = int(match[1])
            tensors[layer][tensor.name[match.end() :]] = tensor
            blocks[layer] += tensor.n_bytes
            largest = max(largest, tensor.n_bytes)
            if tensor.name.startswith("ffn_", match.end()):
                _count_feed(feeds[layer], tensor.name[match.end() + 4 :], tensor.n_bytes)
                if "_exps." in tensor.name:
                    experts[layer] += tensor.n_bytes
    tied = "token_embd.weight" in names and "output.weight" not in names
    weights = Weights(
        input=placed_input,
        output=placed_output,
        blocks=tuple(blocks),
        experts=tuple(experts),
        feeds=tuple((up, gate, down) for up, gate, down in feeds),
        token_embd=token_embd,
        tied=tied,
        copied=tied and copies_head,
        largest=largest,
        unused=unused,
    )
    layers = _sort_layers(tensors)
    return weights, replace(layers, rope_factors=any(name.startswith("rope_f") for name in names))


def _count_feed(feed: list[int], name: str, n_bytes: int) -> None:
    for index, part in enumerate(("up", "gate", "down")):
        if name.startswith(part):
            feed[index] += n_bytes


def _sort_layers(layers: list[dict[str, TensorInfo]]) -> Layers:
    kinds: dict[tuple[tuple[str, tuple[int, ...]], ...], int] = {}
    sizes: list[dict[str, int]] = []
    kind_of = []
    for layer in layers:
        key = tuple(sorted((name, tensor.shape) for name, tensor in layer.items()))
        kind = kinds.setdefault(key, len(kinds))
        if kind == len(sizes):
            sizes.append({})
        for name, tensor in layer.items():
            sizes[kind][name] = max(sizes[kind].get(name, 0), tensor.n_bytes)
        kind_of.append(kind)
    pairs = zip(kinds, sizes, strict=True)
    return Layers(tuple(LayerTensors(dict(key), size) for key, size in pairs), tuple(kind_of))
