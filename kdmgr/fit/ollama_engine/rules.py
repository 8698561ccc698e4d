"""Which models run in Ollama's own engine, and how each keeps its caches.

Sources, all Ollama v0.24.0: fs/ggml/ggml.go (`OllamaEngineRequired`, `FlashAttention`), server/sched.go (`load`),
and each architecture's `New` in model/models.
"""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.gguf.shape import ModelShape


@dataclass(frozen=True, slots=True)
class EngineRules:
    """How one architecture runs there."""

    flash_attn: bool = False
    """Whether flash attention is on unless it is ruled out."""
    slides: bool = False
    """Whether layers that look back over a window have smaller caches (chunks of llama 4 do not)."""
    keeps: int = 0
    """Tokens that a sliding layer's cache keeps, where that is more than its window (`NewSWAMemCache`)."""
    cached: bool = True
    one_slot: bool = False
    """Whether it serves one request at a time, whatever the server is told."""


_PLAIN, _FLASH = EngineRules(), EngineRules(flash_attn=True)
_ONE_SLOT = EngineRules(flash_attn=True, one_slot=True)
_KEEPS = EngineRules(flash_attn=True, slides=True, keeps=4096)

_RULES: dict[str, EngineRules] = {
    "bert": EngineRules(flash_attn=True, cached=False),
    "deepseek2": _PLAIN,
    "deepseekocr": _PLAIN,
    "gemma3": EngineRules(flash_attn=True, slides=True),
    "gemma3n": EngineRules(slides=True),
    "gemma4": _KEEPS,
    "glm4moelite": _FLASH,
    "glmocr": _FLASH,
    "gpt-oss": _KEEPS,
    "gptoss": _KEEPS,
    "laguna": EngineRules(slides=True),
    "lfm2": _ONE_SLOT,
    "lfm2moe": _ONE_SLOT,
    "llama4": _PLAIN,
    "mistral3": _FLASH,
    "mllama": EngineRules(one_slot=True),
    "nemotron_h": _ONE_SLOT,
    "nemotron_h_moe": _ONE_SLOT,
    "nemotron_h_omni": _ONE_SLOT,
    "nomic-bert": EngineRules(cached=False),
    "olmo3": EngineRules(flash_attn=True, slides=True),
    "qwen25vl": _PLAIN,
    "qwen3": _FLASH,
    "qwen35": _ONE_SLOT,
    "qwen35moe": _ONE_SLOT,
    "qwen3moe": _FLASH,
    "qwen3next": _ONE_SLOT,
    "qwen3vl": _ONE_SLOT,
    "qwen3vlmoe": _ONE_SLOT,
}


def find_rules(shape: ModelShape) -> EngineRules | None:
    """The rules of `shape`'s architecture; None for one that Ollama runs in llama.cpp."""
    return _RULES.get(shape.architecture)


def keeps_cache(shape: ModelShape) -> bool:
    """Whether the model keeps anything between batches there (embedders of some families do not)."""
    rules = find_rules(shape)
    return rules is not None and rules.cached and not (shape.architecture == "gemma3" and shape.engine_view.pooling)
