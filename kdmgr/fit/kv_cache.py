"""The KV cache: what every token of context costs.

Formula and its cases: llama.cpp, src/llama-kv-cache.cpp and llama-kv-cache-iswa.cpp; exact against the
engine's own figures (tests/fit/test_exactness.py).
"""

from __future__ import annotations

from kdmgr.fit.options import ResolvedOptions, cache_type
from kdmgr.gguf.architectures import RULES
from kdmgr.gguf.layers import Attention
from kdmgr.gguf.shape import ModelShape

CELL_PADDING = 256


def pad(n_cells: int) -> int:
    """`n_cells` rounded up as the engine does."""
    return -(-n_cells // CELL_PADDING) * CELL_PADDING


def full_cells(options: ResolvedOptions) -> int:
    """Cells of a layer that sees the whole context, over all slots."""
    return pad(options.n_ctx) * options.n_parallel


def sliding_cells(options: ResolvedOptions, n_swa: int) -> int:
    """Cells of a sliding layer, over all slots: the window and one batch, never more than the context."""
    return min(pad(options.n_ctx), pad(n_swa + options.n_ubatch)) * options.n_parallel


def layer_bytes(attention: Attention, options: ResolvedOptions) -> tuple[int, ...]:
    """Bytes of K and V for each layer, over all slots."""
    full, sliding = full_cells(options), sliding_cells(options, attention.n_swa)
    return tuple(
        token_bytes(attention, options, layer) * (sliding if attention.slides[layer] else full)
        for layer in range(len(attention.n_head_kv))
    )


def token_bytes(attention: Attention, options: ResolvedOptions, layer: int) -> int:
    """Bytes that one cell takes in one layer."""
    v_width = attention.v_width(layer)
    if v_width and not options.flash_attn:
        # Without flash attention V lies transposed, every layer as wide as the widest (TAG_V_CACHE_VARIABLE).
        v_width = max(heads * size for heads, size in zip(attention.n_head_kv, attention.n_embd_head_v, strict=True))
    k, v = cache_type(options.type_k), cache_type(options.type_v)
    return k.row_bytes(attention.k_width(layer)) + v.row_bytes(v_width)


def state_bytes(shape: ModelShape, options: ResolvedOptions, n_rollback: int = 0) -> tuple[int, ...]:
    """Bytes of recurrent state for each layer, over all slots (llama.cpp, src/llama-memory-recurrent.cpp).

    `n_rollback` tokens that a draft proposes may be taken back (`n_rs_seq`): each needs a state more, where the
    architecture has that; elsewhere the engine keeps none.
    """
    recurrent = shape.recurrent
    if recurrent is None:
        return (0,) * shape.n_layer
    rolls_back = shape.architecture in RULES and RULES[shape.architecture].rolls_back
    n_states = options.n_parallel * (1 + n_rollback * rolls_back)
    return tuple(recurrent.layer_bytes * n_states * held for held in recurrent.layers)
