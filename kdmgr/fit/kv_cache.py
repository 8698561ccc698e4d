"""The KV cache: what every token of context costs.

Formula and its cases: llama.cpp, src/llama-kv-cache.cpp and llama-kv-cache-iswa.cpp; exact against the
engine's own figures (tests/fit/test_exactness.py).
"""

from __future__ import annotations

from kdmgr.fit.options import ResolvedOptions, cache_type
from kdmgr.gguf.shape import Attention

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
    heads = attention.n_head_kv[layer]
    return cache_type(options.type_k).row_bytes(heads * attention.n_embd_head_k) + cache_type(options.type_v).row_bytes(
        heads * attention.n_embd_head_v
    )
