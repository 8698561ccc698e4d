"""What CUDA's operations need beside their results, which Ollama's engine counts with the compute buffer.

Sources, Ollama v0.24.0: ggml-backend.cpp (`ggml_backend_sched_get_attempted_buffer_size`), ggml-cuda/mmq.cu
(activations in 8 bits), ggml-cuda.cu (`ggml_cuda_mul_mat_batched_cublas_impl`: scores in 16 bits), ggml-cuda/
fattn-common.cuh (a quantised cache in 16 bits). One operation at a time takes from the pool, so the largest counts.
What grows with the card's number of multiprocessors (a few MiB) is left out, since no one tells it.
"""

from __future__ import annotations

from math import prod

from kdmgr.fit.graph.builder import F16, F32
from kdmgr.fit.ollama_engine.cells import layer_cells
from kdmgr.fit.options import ResolvedOptions
from kdmgr.gguf.shape import ModelShape
from kdmgr.units import MIB

_GRANULARITY = 2 * MIB
_ROW_PADDING = 512
# A block of 128 activations in 8 bits, with its scales.
_BLOCK, _BLOCK_BYTES = 128, 144


def pool_bytes(shape: ModelShape, options: ResolvedOptions, *, sees: bool) -> int:
    """The pool's size while a whole batch is read; `sees` where the part for images lies on the device too."""
    largest = max(_multiplications(shape, options), _attention(shape, options), _images(shape) if sees else 0)
    return -(-largest // _GRANULARITY) * _GRANULARITY


def _multiplications(shape: ModelShape, options: ResolvedOptions) -> int:
    """The most that one multiplication of a batch with a layer's weights turns its values into."""
    used = shape.experts.n_expert_used if shape.experts else 1
    largest = 0
    for kind in shape.layers.kinds:
        for name, extents in kind.shapes.items():
            if len(extents) > 1 and name.endswith(".weight"):
                # Of the experts, only the last matrix has an input for each.
                rows = options.n_batch * (used if name.startswith("ffn_down_exps") else 1)
                largest = max(largest, rows * _row_bytes(extents, kind.sizes[name]))
    return largest


def _row_bytes(extents: tuple[int, ...], size: int) -> int:
    """For one token: activations in 8 bits, or what goes in and comes out in 16, as the weights are."""
    per_element = size / prod(extents)
    if per_element == F32:
        return 0
    if per_element == F16:
        return F16 * (extents[0] + extents[1])
    return -(-extents[0] // _ROW_PADDING) * _ROW_PADDING // _BLOCK * _BLOCK_BYTES


def _images(shape: ModelShape) -> int:
    """The feed-forward over an image's patches, whose weights are in 16 bits."""
    vision = shape.engine_view.vision
    return 0 if vision is None or not vision.patch_size else F16 * vision.n_patches * (vision.n_ff + vision.n_embd)


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
