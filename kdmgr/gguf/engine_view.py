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
class Vision:
    """The part for images in the model's own file. Sizes in pixels and elements; 0 where the header gives none."""

    n_layer: int
    n_embd: int
    n_ff: int
    n_head: int
    image_size: int
    patch_size: int
    n_channels: int
    kernel_bytes: int
    """Of one element of the matrix that turns pixels into patches."""
    projection_bytes: int
    """Of the matrix that turns patches into tokens."""

    @property
    def n_patches(self) -> int:
        """Patches of one image."""
        return (self.image_size // self.patch_size) ** 2


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
    vision: Vision | None
    """None where the file holds no part for images."""
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
        vision=_read_vision(header.tensors, keys),
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


def _read_vision(tensors: Iterable[TensorInfo], keys: Keys) -> Vision | None:
    found = {tensor.name: tensor for tensor in tensors if tensor.name.startswith(_OTHER_MEDIA)}
    if not any(name.startswith("v.") for name in found):
        return None
    kernel, projection = found.get("v.patch_embedding.weight"), found.get("mm.mm_input_projection.weight")
    return Vision(
        n_layer=keys.integer("vision.block_count") or 0,
        n_embd=keys.integer("vision.embedding_length") or 0,
        n_ff=keys.integer("vision.feed_forward_length") or 0,
        n_head=keys.integer("vision.attention.head_count") or 0,
        image_size=keys.integer("vision.image_size") or 0,
        patch_size=keys.integer("vision.patch_size") or 0,
        n_channels=keys.integer("vision.num_channels") or 0,
        kernel_bytes=kernel.n_bytes // max(kernel.n_elements, 1) if kernel else 0,
        projection_bytes=projection.n_bytes if projection else 0,
    )
