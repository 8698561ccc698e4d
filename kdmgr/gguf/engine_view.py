"""A header as Ollama's own engine reads it (ml/backend/ggml/ggml.go, `New`; model/models).

It differs from what llama.cpp loads: a token table that is the head too lies in two places, and tables that scale
the rotation by position are repeated for every layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from kdmgr.gguf.header import GgufHeader, TensorInfo
from kdmgr.gguf.keys import Keys

_ALIGNMENT = 32
# Parts of a tensor's name (between dots) that tell where it goes.
_INPUT = {"position_embd", "token_embd", "token_norm_embd", "token_types"}
_OUTPUT = {
    "cls",
    "output",
    "output_norm",
    "altup_proj",
    "altup_unembd_proj",
    "per_layer_token_embd",
    "per_layer_model_proj",
    "per_layer_proj_norm",
}
_EVERY_LAYER = {"rope_freqs", "rope_factors_long", "rope_factors_short"}
_OTHER_MEDIA = ("v.", "mm.", "s.")


@dataclass(frozen=True, slots=True)
class EngineView:
    """Bytes of the weights by place, and what the engine's graph follows from that no tensor shows."""

    input: int
    """Always in host memory: what tokens are looked up in, and all that belongs to no layer."""
    blocks: tuple[int, ...]
    """Of each layer, those that only predict further tokens among them."""
    output: int
    """Of the output layer, with the head (a tied one: a second copy) and with the part for images."""
    token_embd: int
    """Bytes of the token table, also where the head is another."""
    sees: bool
    """Whether the file holds a part for images."""
    pooling: int | None
    """How the tokens' vectors become one, for a model that makes embeddings; None for one that does not."""
    scales_positions: bool
    """Whether Q is scaled by position (mistral3, with a scaled rotation)."""


def read_engine_view(header: GgufHeader, keys: Keys) -> EngineView:
    """Where that engine would load each tensor."""
    n_layer = keys.integer("block_count") or 0
    blocks = [0] * n_layer
    placed_input = placed_output = token_embd = 0
    tied = all(tensor.name.split(".")[0] != "output" for tensor in header.tensors)
    for tensor in header.tensors:
        size, parts = _loaded(tensor), set(tensor.name.split("."))
        if parts & _INPUT:
            placed_input += size
            if tensor.name == "token_embd.weight":
                token_embd = size
                placed_output += size * tied
        elif parts & _OUTPUT or tensor.name.startswith(_OTHER_MEDIA):
            placed_output += size
        elif parts & _EVERY_LAYER:
            blocks = [block + size for block in blocks]
        elif (layer := _first_number(tensor.name)) is not None and layer < n_layer:
            blocks[layer] += size
        else:
            placed_input += size
    return EngineView(
        input=placed_input,
        blocks=tuple(blocks),
        output=placed_output,
        token_embd=token_embd,
        sees=_has_prefix(header.tensors, "v."),
        pooling=keys.integer("pooling_type"),
        scales_positions=bool(keys.integer("rope.scaling.original_context_length")),
    )


def _loaded(tensor: TensorInfo) -> int:
    size = tensor.n_bytes
    if tensor.type.name == "BF16" and tensor.name.endswith("_exps.bias"):
        size = 4 * prod(tensor.shape)
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _first_number(name: str) -> int | None:
    digits = "".join(char if char.isdecimal() else " " for char in name).split()
    return int(digits[0]) if digits and len(digits[0]) <= 4 else None


def _has_prefix(tensors: Iterable[TensorInfo], prefix: str) -> bool:
    return any(tensor.name.startswith(prefix) for tensor in tensors)
