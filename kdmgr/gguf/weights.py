"""The weights of a model, grouped as engines place them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kdmgr.gguf.header import GgufHeader

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
    tied: bool
    """Whether the output head is `token_embd` itself: an offloaded output layer then needs its own copy."""
    largest: int
    """The largest single tensor of a block."""

    @property
    def total(self) -> int:
        """All of it, once."""
        return self.input + self.output + sum(self.blocks)

    @property
    def output_layer(self) -> int:
        """What the output layer takes on a device: a tied head is copied there."""
        return self.output + (self.input if self.tied else 0)


# Looked up by token, never multiplied (llama-arch.cpp: LLM_TENSOR_LAYER_INPUT).
_INPUT = ("token_embd", "per_layer_token_embd", "position_embd", "token_types", "token_embd_norm")


def weigh(header: GgufHeader, n_layer: int) -> Weights:
    """Group the tensors of `header` by the layer they belong to."""
    blocks, experts = [0] * n_layer, [0] * n_layer
    placed_input = placed_output = largest = 0
    names = set()
    for tensor in header.tensors:
        names.add(tensor.name)
        match = _BLOCK.match(tensor.name)
        if match and int(match[1]) < n_layer:
            layer = int(match[1])
            blocks[layer] += tensor.n_bytes
            largest = max(largest, tensor.n_bytes)
            if "_exps." in tensor.name:
                experts[layer] += tensor.n_bytes
        elif tensor.name.partition(".")[0] in _INPUT:
            placed_input += tensor.n_bytes
        else:
            placed_output += tensor.n_bytes
    return Weights(
        input=placed_input,
        output=placed_output,
        blocks=tuple(blocks),
        experts=tuple(experts),
        tied="token_embd.weight" in names and "output.weight" not in names,
        largest=largest,
    )
