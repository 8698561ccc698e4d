"""The caches of Ollama's own engine: cells shared by all slots, with room for one batch beside a window.

Sources, Ollama v0.24.0: kvcache/causal.go (`Init`, `Put`), kvcache/recurrent.go (`convBuffer`, `recurrentBuffer`),
kvcache/recurrent_checkpoints.go (`reserveCheckpointConv`).
"""

from __future__ import annotations

from kdmgr.fit.ollama_engine.rules import EngineRules, find_rules, keeps_cache
from kdmgr.fit.options import ResolvedOptions, cache_type
from kdmgr.gguf.shape import ModelShape

CELL_PADDING = 256
N_CHECKPOINTS = 24
"""Copies of each slot's recurrent states, to go back to (`DefaultCheckpointCount`)."""
_ALIGNMENT = 32


def full_cells(options: ResolvedOptions) -> int:
    """Cells of a layer that sees the whole context."""
    return _pad(options.n_parallel * options.n_ctx, CELL_PADDING)


def sliding_cells(options: ResolvedOptions, n_swa: int, rules: EngineRules) -> int:
    """Cells of a sliding layer: all slots' windows and one batch, unless the window holds the context."""
    kept = max(rules.keeps, n_swa)
    if options.n_parallel > 1:
        kept = max(kept, n_swa + 1)
    if kept >= options.n_ctx:
        return full_cells(options)
    return _pad(options.n_parallel * kept + options.n_batch, CELL_PADDING)


def layer_cells(shape: ModelShape, options: ResolvedOptions, layer: int) -> int:
    """Cells that `layer` attends over."""
    attention, rules = shape.attention, find_rules(shape)
    if attention is None or rules is None:
        return 0
    if rules.slides and attention.slides[layer]:
        return sliding_cells(options, attention.n_swa, rules)
    return full_cells(options)


def cache_bytes(shape: ModelShape, options: ResolvedOptions) -> tuple[int, ...] | None:
    """Bytes of K and V of each layer; None for an architecture whose layers are not known."""
    attention = shape.attention
    if attention is None:
        return None
    if not keeps_cache(shape):
        return (0,) * shape.n_layer
    k, v = cache_type(options.type_k), cache_type(options.type_v)
    sizes = []
    for layer, owned in enumerate(attention.caches):
        cells = layer_cells(shape, options, layer) if owned else 0
        rows = k.row_bytes(attention.k_width(layer)), v.row_bytes(attention.v_width(layer))
        sizes.append(sum(_pad(row * cells, _ALIGNMENT) for row in rows))
    return tuple(sizes)


def state_bytes(shape: ModelShape, options: ResolvedOptions) -> tuple[int, ...]:
    """Bytes of recurrent state of each layer, with the copies that are kept to go back to."""
    state = shape.recurrent
    if state is None:
        return (0,) * shape.n_layer
    parts = 0
    for n_elements in (state.n_embd_r, state.n_embd_s):
        # The copies are tensors of their own, each padded.
        size = 4 * n_elements
        parts += _pad(size * options.n_parallel, _ALIGNMENT)
        parts += options.n_parallel * N_CHECKPOINTS * _pad(size, _ALIGNMENT)
    return tuple(parts * has_state for has_state in state.layers)


def _pad(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
