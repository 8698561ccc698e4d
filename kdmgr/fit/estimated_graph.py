"""What Ollama up to 0.11.4 expects of cache and scratch memory, by rules of thumb for each architecture.

Source: Ollama v0.11.4, fs/ggml/ggml.go (`GraphSize`, `VisionGraphSize`). All results are bytes. The rules are
upper bounds that its authors fitted, not what the engine allocates; divisions round down where theirs do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kdmgr.gguf.ollama_view import OllamaView

# Bytes of one element of the cache; other types count as f16.
CACHE_BYTES = {"q8_0": 1.0, "q4_0": 0.5}
_F16 = 2.0
# mllama: tokens of one tile of an image, and tiles.
_VISION_TOKENS = 1601 * 4
# gemma3: every sixth layer looks back over the whole context.
_GEMMA3_PERIOD = 6
_GPTOSS_WINDOW = 4096


@dataclass(frozen=True, slots=True)
class Load:
    """How the model is to be run: tokens of context over all slots, tokens of a batch, slots, bytes of an element."""

    n_ctx: int
    n_batch: int
    n_parallel: int
    element_bytes: float = _F16


@dataclass(frozen=True, slots=True)
class EstimatedGraph:
    """`kv` has one entry per layer; the scratch memory is for some layers on a device, and for all of them."""

    kv: tuple[int, ...]
    partial: int
    full: int


def estimate_graph(view: OllamaView, load: Load) -> EstimatedGraph:
    """Cache and scratch memory of `view`, with the rule for the architectures that have none of their own."""
    kv = _cache(view, load)
    partial, full = _RULES.get(view.architecture, _without_rule)(view, load)
    if view.architecture == "gptoss":
        partial = full = 4 * view.n_head // (view.n_head_kv_min or 1) * sum(_plain_cache(view, load)) // 6
    partial = partial or view.n_head // (view.n_head_kv_min or 1) * sum(kv) // 6
    return EstimatedGraph(tuple(kv), partial, full or partial)


def estimate_vision(view: OllamaView) -> tuple[int, int]:
    """Weights and scratch memory of the images' part in the model's own file; zeros without one."""
    vision = view.vision
    if vision is None:
        return 0, 0
    if vision.patch_size == 0:
        return vision.weights, 0
    n_patches = (vision.image_size // vision.patch_size) ** 2 + vision.has_class
    pixels = vision.image_size**2 * vision.n_channels
    graph = 0
    match view.architecture:
        case "mllama":
            padded = n_patches + 8 - n_patches % 8
            tiles, width = vision.max_tiles, vision.n_embd
            rows = width * n_patches * tiles + 9 * width * padded * tiles
            graph = 4 * (8 + pixels * tiles + rows + (padded * tiles) ** 2 * vision.n_head)
        case "gemma3" | "mistral3":
            graph = 4 * (pixels + vision.n_embd * vision.patch_size + n_patches**2 * vision.n_head)
        case "qwen25vl":
            n_patches = vision.max_pixels // vision.patch_size**2
            patches = n_patches * vision.n_channels * vision.patch_size**2
            images = 2 * vision.max_pixels * vision.n_channels
            graph = 4 * (images + patches + n_patches**2 * vision.n_head + vision.n_embd * n_patches)
    return vision.weights, graph


def _row(view: OllamaView, load: Load) -> int:
    """Bytes of one token's K and V in one layer."""
    return int((view.k_size + view.v_size) * view.n_head_kv * load.element_bytes)


def _plain_cache(view: OllamaView, load: Load) -> list[int]:
    elements = load.n_ctx * (view.k_size + view.v_size) * view.n_head_kv
    return [int(elements * load.element_bytes)] * view.n_layer


def _cache(view: OllamaView, load: Load) -> list[int]:
    kv = _plain_cache(view, load)
    row = (view.k_size + view.v_size) * view.n_head_kv
    match view.architecture:
        case "mllama":
            kv = [row * 4 * _VISION_TOKENS if layer in view.cross_layers else kv[layer] for layer in range(len(kv))]
        case "gemma3":
            short = int((load.n_parallel * view.n_swa + load.n_batch) * row * load.element_bytes)
            kv = [short if (layer + 1) % _GEMMA3_PERIOD else kv[layer] for layer in range(len(kv))]
        case "gptoss":
            window = load.n_parallel * _GPTOSS_WINDOW + load.n_batch
            kv = [_row(view, load) * (load.n_ctx if layer % 2 else window) for layer in range(len(kv))]
    return kv


Rule = Callable[[OllamaView, Load], tuple[int, int]]
"""Scratch memory with some layers on a device, and with all."""


def _without_rule(view: OllamaView, load: Load) -> tuple[int, int]:
    return 0, 0


def _head(view: OllamaView) -> int:
    """A head that is multiplied on the device though it lies in host memory, at 6.5 bits per weight."""
    return view.n_embd * (view.n_vocab or 0) * 105 // 128


def _scores(view: OllamaView, load: Load) -> int:
    """Elements of one token's attention to the context, and its mask."""
    return load.n_ctx * (1 + view.n_head)


def _logits(view: OllamaView, load: Load, n_embd: int = 1) -> int:
    return 4 * load.n_batch * (n_embd * view.n_embd + (view.n_vocab or 0))


def _llama(view: OllamaView, load: Load) -> tuple[int, int]:
    embd, heads, kv, n, ctx = view.n_embd, view.n_head, view.n_head_kv, load.n_batch, load.n_ctx
    scores, k_row = _scores(view, load), view.head_size * view.n_head_kv
    full = max(4 * n * (1 + 4 * embd + scores), _logits(view, load))
    attention = 4 * n * (1 + embd + max(ctx, embd)) + embd * embd * 9 // 16 + 4 * ctx * (n * heads + k_row)
    partial = 4 * n * embd + max(attention, _logits(view, load) + _head(view))
    if view.gate_experts is not None:
        partial = max(
            3 * view.gate_experts + 4 * n * (2 * view.n_ff + kv + embd + ctx + k_row),
            4 * (ctx * n * heads + ctx * k_row + n * 1024 + k_row * n),
        )
    elif view.gate_rows is not None:
        rows = view.gate_rows
        full = 4 * n * (2 + 3 * embd + scores + 2 * kv + rows)
        partial = max(
            4 * n * (3 + k_row + embd + scores + rows) + (embd * embd + 3 * embd * kv * rows) * 9 // 16,
            4 * n * (1 + 2 * embd + scores) + embd * (6 * ctx * kv // max(heads, 1) + embd * 9 // 16),
        )
    return partial, full


def _mllama(view: OllamaView, load: Load) -> tuple[int, int]:
    embd, n, scores, q_row = view.n_embd, load.n_batch, _scores(view, load), view.k_size * view.n_head
    full = max(4 * n * (2 + 3 * embd + q_row + scores), _logits(view, load))
    attention = 4 * (n * (2 * embd + 1 + scores + q_row) + view.k_size * load.n_ctx * view.n_head_kv)
    return max(attention, _logits(view, load) + _head(view)), full


def _gemma(view: OllamaView, load: Load) -> tuple[int, int]:
    embd, n, scores, q_row = view.n_embd, load.n_batch, _scores(view, load), view.k_size * view.n_head
    full = max(_logits(view, load), 4 * n * (2 + scores + 2 * embd + 2 * q_row))
    attention = 4 * n * (2 * embd + 1 + 2 * q_row + scores) + 4 * view.k_size * load.n_ctx * 8
    partial = max(_logits(view, load) + _head(view), attention + embd * q_row * 9 // 16)
    return partial, full


def _gemma3n(view: OllamaView, load: Load) -> tuple[int, int]:
    partial, full = _gemma(view, load)
    return 4 * partial, 4 * full


def _command_r(view: OllamaView, load: Load) -> tuple[int, int]:
    embd, n, scores = view.n_embd, load.n_batch, _scores(view, load)
    full = max(_logits(view, load), 4 * n * (2 + 4 * embd + scores))
    attention = 4 * n * (1 + 2 * embd + scores) + 4 * embd * load.n_ctx + embd * embd * 9 // 16
    return max(_logits(view, load) + _head(view), attention), full


def _qwen2(view: OllamaView, load: Load) -> tuple[int, int]:
    embd, n, scores = view.n_embd, load.n_batch, _scores(view, load)
    full = max(_logits(view, load), 4 * n * (1 + 2 * embd + scores))
    attention = 4 * (n * (1 + 2 * embd + scores) + embd * (1 + load.n_ctx))
    return max(_logits(view, load) + _head(view), attention), full


def _phi2(view: OllamaView, load: Load) -> tuple[int, int]:
    embd, n, scores = view.n_embd, load.n_batch, _scores(view, load)
    full = max(_logits(view, load), 4 * n * (1 + 4 * embd + scores))
    return max(_logits(view, load, 2) + _head(view), 4 * n * (2 + 3 * embd + scores)), full


def _stablelm(view: OllamaView, load: Load) -> tuple[int, int]:
    full = 4 * load.n_batch * (_scores(view, load) + 3 * view.n_embd + 2)
    return max(_logits(view, load, 2), full), full


def _deepseek2(view: OllamaView, load: Load) -> tuple[int, int]:
    embd, n, ctx, k_row = view.n_embd, load.n_batch, load.n_ctx, view.k_size * view.n_head_kv
    scores = ctx * (1 + view.n_head_kv)
    full = max(_logits(view, load, 3), 4 * n * (3 * embd + 2 + scores + 2 * k_row))
    attention = 4 * n * (2 * embd + 1 + 2 * k_row + scores) + 4 * k_row * ctx + embd * k_row * 9 // 16
    return max(_logits(view, load, 3) + _head(view), attention), full


def _chatglm(view: OllamaView, load: Load) -> tuple[int, int]:
    full, partial = _logits(view, load), _logits(view, load) + _head(view)
    if (bias := view.qkv_bias) is not None:
        row = 2 * view.n_embd + _scores(view, load) + view.k_size * view.n_head
        full = max(full, 4 * load.n_batch * (2 + row + bias))
        partial = max(partial, 4 * load.n_batch * (1 + row) + 8 * view.k_size * load.n_ctx + 4 * bias)
    return partial, full


_RULES: dict[str, Rule] = {
    "llama": _llama,
    "llama4": _llama,
    "mllama": _mllama,
    "gemma": _gemma,
    "gemma2": _gemma,
    "gemma3": _gemma,
    "gemma3n": _gemma3n,
    "command-r": _command_r,
    "qwen2": _qwen2,
    "phi2": _phi2,
    "stablelm": _stablelm,
    "deepseek2": _deepseek2,
    "chatglm": _chatglm,
}
