"""The compute buffer: scratch memory of the graph, for one physical batch.

The engine's allocator reuses memory, so the buffer is as large as the graph's widest moment: either
inside a feed-forward block (gate, up and their product stand beside the residual stream) or, without
flash attention, inside attention, whose scores grow with the context. The widths were found by dry runs
of llama.cpp (October 2026) over ten models, two batch sizes, three contexts, and equal its figures
within 2 %; the one on a GPU keeps one stream less (a Qwen3-4B on CUDA at 8k: 85.01 MiB).
"""

from __future__ import annotations

from kdmgr.fit.kv_cache import full_cells, sliding_cells
from kdmgr.fit.options import ResolvedOptions, cache_type
from kdmgr.gguf.shape import Attention, ModelShape

F32, F16 = 4, 2
# Token ids, positions, cache indices and output ids of a batch, in bytes per token.
_INPUTS, _SLIDING_INPUTS = 36, 20


def host_compute(shape: ModelShape, options: ResolvedOptions) -> int | None:
    """Bytes of scratch when the whole graph runs on the CPU; None for an architecture not known."""
    return _graph(shape, options, streams=5)


def device_compute(shape: ModelShape, options: ResolvedOptions) -> int | None:
    """Bytes of scratch on a device that runs the graph; None for an architecture not known."""
    return _graph(shape, options, streams=4)


def staging_compute(shape: ModelShape, options: ResolvedOptions) -> int | None:
    """Bytes of pinned host memory when the graph runs on a device: its inputs before they are copied."""
    if shape.attention is None or shape.n_embd is None:
        return None
    return _masks(shape.attention, options, F16) + options.n_ubatch * (4 * shape.n_embd * F32 + _INPUTS)


def output_buffer(shape: ModelShape, options: ResolvedOptions) -> int | None:
    """Bytes for the logits that are read back, one token per slot; always in host memory."""
    return None if shape.n_vocab is None else shape.n_vocab * options.n_parallel * F32


def _graph(shape: ModelShape, options: ResolvedOptions, streams: int) -> int | None:
    attention, n_embd, n_ff = shape.attention, shape.n_embd, shape.n_ff
    if attention is None or n_embd is None or n_ff is None:
        return None
    feed_forward = 3 * n_ff + streams * n_embd
    if options.flash_attn:
        widest, masks = feed_forward, _masks(attention, options, F16)
    else:
        kv = max(attention.n_head_kv) * attention.n_embd_head_k
        widest = max(feed_forward + 2 * kv, _scores(attention, options) + _attention_streams(shape, attention))
        masks = _masks(attention, options, F32)
    inputs = _INPUTS + (_SLIDING_INPUTS if attention.n_swa else 0)
    graph = options.n_ubatch * (widest * F32 + inputs) + masks + _rotations(attention, options)
    if options.engine_build.limits_outputs:
        return graph
    return max(graph, options.n_ubatch * ((shape.n_vocab or 0) + n_embd) * F32)


def _masks(attention: Attention, options: ResolvedOptions, element: int) -> int:
    cells = full_cells(options)
    if attention.n_swa:
        cells += sliding_cells(options, attention.n_swa)
    return cells // options.n_parallel * options.n_ubatch * element


def _rotations(attention: Attention, options: ResolvedOptions) -> int:
    """A quantised cache is rotated first: one square matrix each for K and V (llama.cpp, `attn_rot_k`)."""
    k, v = cache_type(options.type_k).block_size > 1, cache_type(options.type_v).block_size > 1
    return F32 * (k * attention.n_embd_head_k**2 + v * attention.n_embd_head_v**2)


def _scores(attention: Attention, options: ResolvedOptions) -> int:
    return full_cells(options) // options.n_parallel * max(attention.n_head)


def _attention_streams(shape: ModelShape, attention: Attention) -> int:
    """Elements per token beside the scores. Q finds room in what K, V and the stream leave free, if it is small."""
    n_embd = shape.n_embd or 0
    q = max(attention.n_head) * attention.n_embd_head_k
    kv = max(attention.n_head_kv) * attention.n_embd_head_k
    q_copies = 2 if q > n_embd else 1 if 2 * q > n_embd else 0
    return (4 if attention.fused_qkv else 5) * n_embd + q_copies * q + (4 if attention.n_swa else 2) * kv
