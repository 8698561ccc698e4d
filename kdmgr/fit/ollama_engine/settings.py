"""How Ollama would start its own engine: slots, batch, attention and cache type.

Sources, Ollama v0.24.0: llm/server.go (`NewLlamaServer`), server/sched.go (`GetRunner`, `load`),
runner/ollamarunner/runner.go (`allocModel`), fs/ggml/ggml.go (`SupportsFlashAttention`, `SupportsKVCacheType`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kdmgr.fit.ollama_engine.rules import find_rules, keeps_cache
from kdmgr.fit.options import ResolvedOptions, RunOptions
from kdmgr.gguf.shape import ModelShape

_CACHE_TYPES = ("f16", "q8_0", "q4_0")
_LEAST_CONTEXT_WITH_IMAGES = 2048
# Their attention layers are few, and known to be alike in K and V.
_ALWAYS_FLASH = ("qwen35", "qwen35moe", "qwen3next")


def runs_there(shape: ModelShape, options: ResolvedOptions) -> bool:
    """Whether Ollama 0.24 runs the model in its own engine; not with a projector in a file of its own."""
    return find_rules(shape) is not None and not options.projector_bytes


def settle(shape: ModelShape, options: ResolvedOptions, asked: RunOptions) -> ResolvedOptions:
    """`options` as that engine takes them, where `asked` were asked for."""
    rules = find_rules(shape)
    assert rules is not None
    flash_attn = (rules.flash_attn if asked.flash_attn is None else asked.flash_attn) and _can_flash(shape)
    n_ctx = _context(shape, options)
    n_batch = min(asked.n_batch or asked.n_ubatch or 512, n_ctx) if keeps_cache(shape) else n_ctx
    kept = asked.type_k.lower() if flash_attn and asked.type_k.lower() in _CACHE_TYPES else "f16"
    settled = replace(
        options,
        n_ctx=n_ctx,
        n_ctx_basis=options.n_ctx_basis if n_ctx == options.n_ctx else "the least that Ollama takes with images",
        n_parallel=1 if rules.one_slot or shape.engine_view.pooling is not None else options.n_parallel,
        n_batch=n_batch,
        n_ubatch=n_batch,
        asked_batch=n_batch,
        flash_attn=flash_attn,
        type_k=kept,
        type_v=kept,
        in_ollamas_engine=True,
    )
    return replace(settled, notes=tuple(_notes(settled, asked)))


def _context(shape: ModelShape, options: ResolvedOptions) -> int:
    least = _LEAST_CONTEXT_WITH_IMAGES if shape.engine_view.vision else 0
    return min(max(options.n_ctx, least), shape.n_ctx_train or options.n_ctx)


def _can_flash(shape: ModelShape) -> bool:
    if shape.architecture in _ALWAYS_FLASH:
        return True
    attention = shape.attention
    if attention is None or shape.engine_view.pooling is not None:
        return False
    return max(attention.n_embd_head_k) == max(attention.n_embd_head_v) > 0


def _notes(settled: ResolvedOptions, asked: RunOptions) -> Iterator[str]:
    if asked.flash_attn and not settled.flash_attn:
        yield "Ollama's engine runs this model without flash attention"
    if {asked.type_k.lower(), asked.type_v.lower()} != {settled.type_k}:
        why = "f16, q8_0 or q4_0, the same for K and V" if settled.flash_attn else "no other without flash attention"
        yield f"Ollama's engine takes a cache of {why}: planned with {settled.type_k}"
    if settled.n_parallel != asked.n_parallel:
        yield "Ollama serves this model one request at a time: planned with one slot"
    if asked.extra_bytes:
        yield "Ollama's engine refuses to load a model with an adapter"
