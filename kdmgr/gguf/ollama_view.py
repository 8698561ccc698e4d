"""A header as Ollama up to 0.11.4 reads it to estimate memory (its fs/ggml/ggml.go).

It differs from what the engine reads: one number of heads for all layers, sizes by the first part of a tensor's
name, and nothing for the tensor types it did not know yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.gguf.header import GgufHeader, TensorInfo
from kdmgr.gguf.keys import Keys

# The newest tensor type it knew (BF16), and MXFP4 under the number it had given it.
_NEWEST_TYPE = 30
_OWN_MXFP4 = 4
# Pixels of an image of qwen25vl where the header does not say.
_MAX_PIXELS = 28 * 28 * 1280


@dataclass(frozen=True, slots=True)
class VisionView:
    """The image part that lies in the model's own file."""

    weights: int
    """Bytes."""
    image_size: int
    patch_size: int
    n_channels: int
    n_head: int
    n_embd: int
    max_tiles: int
    max_pixels: int
    has_class: bool
    """Whether one patch more stands for the class."""


@dataclass(frozen=True, slots=True)
class OllamaView:
    """Sizes in bytes; heads are those of the layer with most, unless it says otherwise."""

    architecture: str
    n_layer: int
    """With the layers that only predict further tokens."""
    n_embd: int
    n_head: int
    n_head_kv: int
    n_head_kv_min: int
    head_size: int
    """Width of the model over the fewest heads of any layer."""
    k_size: int
    v_size: int
    n_vocab: int | None
    n_ff: int
    n_swa: int
    pools: bool
    """Whether the model makes embeddings."""
    cross_layers: tuple[int, ...]
    """Layers that attend to an image instead of the text (mllama)."""
    blocks: tuple[int | None, ...]
    """Of each layer; None for one without tensors."""
    output: int
    """Output norm, and head or token table."""
    gate_experts: int | None
    """Of the first layer's gates of all experts."""
    gate_rows: int | None
    """Rows of the first expert's gate, where each expert has tensors of its own."""
    qkv_bias: int | None
    """Elements of the first layer's joined bias."""
    vision: VisionView | None


def read_ollama_view(header: GgufHeader, keys: Keys, n_vocab: int | None) -> OllamaView:
    """What Ollama would reckon with. Its defaults for absent keys: one head, else 0."""
    tensors = {tensor.name: tensor for tensor in header.tensors}
    sizes = _group_sizes(tensors)
    n_layer = keys.integer("block_count") or 0
    n_embd = keys.integer("embedding_length") or 0
    heads = keys.per_layer("attention.head_count", n_layer) or (1,)
    heads_kv = keys.per_layer("attention.head_count_kv", n_layer) or (1,)
    head_size = n_embd // min(heads) if min(heads) else 0
    k_size, v_size = keys.integer("attention.key_length"), keys.integer("attention.value_length")
    experts, gate = tensors.get("blk.0.ffn_gate_exps.weight"), tensors.get("blk.0.ffn_gate.0.weight")
    bias = tensors.get("blk.0.attn_qkv.bias")
    return OllamaView(
        architecture=header.text("general.architecture") or "unknown",
        n_layer=n_layer,
        n_embd=n_embd,
        n_head=max(heads),
        n_head_kv=max(heads_kv),
        n_head_kv_min=min(heads_kv),
        head_size=head_size,
        k_size=head_size if k_size is None else k_size,
        v_size=head_size if v_size is None else v_size,
        n_vocab=n_vocab,
        n_ff=keys.integer("feed_forward_length") or 0,
        n_swa=keys.integer("attention.sliding_window") or 0,
        pools=keys.integer("pooling_type") is not None,
        cross_layers=keys.integers("attention.cross_attention_layers"),
        blocks=tuple(sizes.get(f"blk.{layer}") for layer in range(n_layer)),
        output=sizes.get("output_norm", 0) + sizes.get("output", sizes.get("token_embd", 0)),
        gate_experts=_size(experts) if experts else None,
        gate_rows=gate.shape[1] if gate and len(gate.shape) > 1 else None,
        qkv_bias=bias.shape[0] if bias and bias.shape else None,
        vision=_read_vision(keys, sizes, "v.class_embd" in tensors),
    )


def _read_vision(keys: Keys, sizes: dict[str, int], has_class: bool) -> VisionView | None:
    if not keys.integer("vision.block_count"):
        return None
    pixels = keys.integer("vision.max_pixels")
    return VisionView(
        weights=sum(size for name, size in sizes.items() if name == "v" or name.startswith("v.")),
        image_size=keys.integer("vision.image_size") or 0,
        patch_size=keys.integer("vision.patch_size") or 0,
        n_channels=keys.integer("vision.num_channels") or 0,
        n_head=keys.integer("vision.attention.head_count") or 0,
        n_embd=keys.integer("vision.embedding_length") or 0,
        max_tiles=keys.integer("vision.max_num_tiles") or 0,
        max_pixels=_MAX_PIXELS if pixels is None else pixels,
        has_class=has_class,
    )


def _group_sizes(tensors: dict[str, TensorInfo]) -> dict[str, int]:
    """Bytes by the first part of the name: `blk.7`, `output_norm`, `v.blk.0`, `v` …"""
    sizes: dict[str, int] = {}
    for name, tensor in tensors.items():
        parts = name.split(".")
        numbered = next((at for at, part in enumerate(parts) if part in ("blk", "mm")), len(parts))
        group = ".".join(parts[: numbered + 2]) if len(parts) > numbered + 2 else parts[0]
        sizes[group] = sizes.get(group, 0) + _size(tensor)
    return sizes


def _size(tensor: TensorInfo) -> int:
    if tensor.type.id == _OWN_MXFP4:
        return tensor.n_elements * 17 // 32
    return tensor.n_bytes if tensor.type.id <= _NEWEST_TYPE else 0
