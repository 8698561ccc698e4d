"""What CUDA's operations need beside their results, which Ollama's engine counts with the compute buffer.

Sources, Ollama v0.24.0: ggml-backend.cpp (`ggml_backend_sched_get_attempted_buffer_size`), ggml-cuda/mmq.cu
(activations in 8 bits), ggml-cuda.cu (`ggml_cuda_mul_mat_batched_cublas_impl`: scores in 16 bits), ggml-cuda/
fattn-common.cuh (a quantised cache in 16 bits). One operation at a time takes from the pool, so the largest counts.
What grows with the card's number of multiprocessors (a few MiB) is left out, since no one tells it.
"""

from __future__ import annotations

from kdmgr.fit.graph.builder import F16
from kdmgr.fit.ollama_engine.cells import layer_cells
from kdmgr.fit.options import ResolvedOptions
from kdmgr.gguf.shape import ModelShape
from kdmgr.units import MIB

_GRANULARITY = 2 * MIB
_ROW_PADDING = 512
# A block of 128 activations in 8 bits, with its scales.
_BLOCK, _BLOCK_BYTES = 128, 144


def pool_bytes(shape: ModelShape, options: ResolvedOptions) -> int:
    """The pool's size while a whole batch is read."""
    largest = max(_activations(shape, options), _attention(shape, options))
    return -(-largest // _GRANULARITY) * _GRANULARITY


def _activations(shape: ModelShape, options: ResolvedOptions) -> int:
    """The widest input of a multiplication with quantised weights."""
    used = shape.experts.n_expert_used if shape.experts else 1
    widest = 0
    for kind in shape.layers.kinds:
        for name, extents in kind.shapes.items():
            if len(extents) > 1 and name.endswith(".weight"):
                # Of the experts, only the last matrix has an input for each.
                rows = used if name.startswith("ffn_down_exps") else 1
                widest = max(widest, rows * -(-extents[0] // _ROW_PADDING) * _ROW_PADDING)
    return options.n_batch * widest // _BLOCK * _BLOCK_BYTES


def _attention(shape: ModelShape, options: ResolvedOptions) -> int:
    """The scores and what they weigh in 16 bits; with flash attention, a quantised cache in 16 bits."""
    a, n = shape.attention, options.n_batch
    if a is None or not any(a.caches):
        return 0
    largest = 0
    for layer in range(shape.n_layer):
        cells = layer_cells(shape, options, layer)
        if not options.flash_attn:
            size = F16 * n * a.n_head[layer] * (cells + a.n_embd_head_v[layer])
        elif options.type_k != "f16":
            size = F16 * cells * a.n_head_kv[layer] * (a.n_embd_head_k[layer] + a.n_embd_head_v[layer])
        else:
            size = 0
        largest = max(largest, size)
    return largest
