"""From the hyper-parameters that a model's makers publish to the shape its GGUF would have.

So a model that nobody has here, a teacher of 671B say, is planned by the same arithmetic as a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kdmgr.gguf.header import GgufHeader, TensorInfo, Value
from kdmgr.gguf.published_tensors import (
    PublishedExperts,
    PublishedLatent,
    PublishedShape,
    Row,
    layer_rows,
    outer_rows,
)
from kdmgr.gguf.quantising import counts_more, tensor_type
from kdmgr.gguf.shape import ModelShape, read_shape
from kdmgr.gguf.types import FILE_TYPES


def read_published(shape: PublishedShape, quant: str) -> ModelShape:
    """What `read_shape` would read of a GGUF of this model at `quant`, one of `quantising.QUANTS`.

    Layers of one kind are laid out once: there are a thousand tensors in a large model, and four kinds of layer.
    """
    kinds: dict[tuple[bool, bool], int] = {}
    first = [kinds.setdefault(_kind(shape, layer), layer) for layer in range(shape.n_layer)]
    header = build_header(shape, quant, sorted(kinds.values()))
    return _repeat(read_shape(header), first, header)


def build_header(shape: PublishedShape, quant: str, layers: Iterable[int] | None = None) -> GgufHeader:
    """The header of that GGUF, without a vocabulary; `layers` are those laid out, None for all."""
    tensors = [_tensor(shape, quant, row, None) for row in outer_rows(shape)]
    for layer in range(shape.n_layer) if layers is None else layers:
        tensors += [_tensor(shape, quant, row, layer) for row in layer_rows(shape, layer)]
    return GgufHeader(3, "little", 32, _metadata(shape, quant), tuple(tensors), 0)


def _kind(shape: PublishedShape, layer: int) -> tuple[bool, bool]:
    """What layers must share to be alike, to the byte."""
    return shape.experts is not None and layer >= shape.experts.n_dense, counts_more(layer, shape.n_layer)


def _repeat(sparse: ModelShape, first: Sequence[int], header: GgufHeader) -> ModelShape:
    """`sparse`, in which only some layers have tensors, with each layer's taken from the `first` of its kind."""
    weights, layers, view = sparse.weights, sparse.layers, sparse.ollama_view
    own = sparse.engine_view
    outer = sum(row.n_elements for row in header.tensors if not row.name.startswith("blk."))
    counts: dict[int, int] = {}
    for row in header.tensors:
        if row.name.startswith("blk."):
            layer = int(row.name.split(".", 2)[1])
            counts[layer] = counts.get(layer, 0) + row.n_elements
    used = sorted({layers.kind_of[layer] for layer in first})
    return replace(
        sparse,
        parameters=outer + sum(counts[layer] for layer in first),
        weights=replace(
            weights,
            blocks=tuple(weights.blocks[layer] for layer in first),
            experts=tuple(weights.experts[layer] for layer in first),
            feeds=tuple(weights.feeds[layer] for layer in first),
        ),
        layers=replace(
            layers,
            kinds=tuple(layers.kinds[kind] for kind in used),
            kind_of=tuple(used.index(layers.kind_of[layer]) for layer in first),
        ),
        ollama_view=replace(view, blocks=tuple(view.blocks[layer] for layer in first)),
        engine_view=replace(own, blocks=tuple(own.blocks[layer] for layer in first)),
    )


def _tensor(shape: PublishedShape, quant: str, row: Row, layer: int | None) -> TensorInfo:
    name, extents = row
    is_head = name == "output.weight" or (shape.tied and name == "token_embd.weight")
    kind = tensor_type(quant, name, extents, layer or 0, shape.n_layer, is_head=is_head)
    n_rows = 1
    for extent in extents[1:]:
        n_rows *= extent
    full = name if layer is None else f"blk.{layer}.{name}"
    return TensorInfo(full, extents, kind, 0, kind.row_bytes(extents[0]) * n_rows)


def _metadata(shape: PublishedShape, quant: str) -> dict[str, Value]:
    values: dict[str, Value] = {
        "context_length": shape.n_ctx_train,
        "embedding_length": shape.n_embd,
        "block_count": shape.n_layer,
        "feed_forward_length": shape.n_ff,
        "attention.head_count": shape.n_head,
        "attention.head_count_kv": shape.n_head_kv,
        "attention.key_length": shape.head_size,
        "attention.value_length": shape.head_size,
        "vocab_size": shape.n_vocab,
    }
    if shape.n_swa:
        values["attention.sliding_window"] = shape.n_swa
    if shape.experts:
        values |= _experts_metadata(shape.experts)
    if shape.latent:
        values |= _latent_metadata(shape.latent)
    named = {f"{shape.architecture}.{key}": value for key, value in values.items()}
    number = next(number for number, name in FILE_TYPES.items() if name == quant)
    return {"general.architecture": shape.architecture, "general.file_type": number, **named}


def _experts_metadata(experts: PublishedExperts) -> dict[str, Value]:
    return {
        "expert_count": experts.n_expert,
        "expert_used_count": experts.n_expert_used,
        "expert_feed_forward_length": experts.n_ff,
        "expert_shared_count": experts.n_shared,
        "leading_dense_block_count": experts.n_dense,
    }


def _latent_metadata(latent: PublishedLatent) -> dict[str, Value]:
    """The cache holds one compressed row for all heads (llama.cpp, `deepseek2`)."""
    return {
        "attention.head_count_kv": 1,
        "attention.q_lora_rank": latent.q_rank,
        "attention.kv_lora_rank": latent.kv_rank,
        "attention.key_length": latent.kv_rank + latent.head_rope,
        "attention.value_length": latent.kv_rank,
        "attention.key_length_mla": latent.head_nope + latent.head_rope,
        "attention.value_length_mla": latent.head_v,
        "rope.dimension_count": latent.head_rope,
    }
