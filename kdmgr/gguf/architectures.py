"""What a header does not say: the rules that llama.cpp applies per architecture.

One row per architecture whose memory is understood. Source of each row: the architecture's
`load_arch_hparams` in llama.cpp (src/models/NAME.cpp) and `llama_model::create_memory`
(src/llama-model.cpp), held against what the engine allocates by tests/fit/test_architectures.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Recurrence(StrEnum):
    """Which layers keep a recurrent state instead of a KV cache."""

    NONE = "none"
    ALL = "all"
    BOTH = "both"
    """Every layer has both, side by side (falcon-h1)."""
    NO_KV_HEADS = "no KV heads"
    """Layers whose `head_count_kv` is 0."""
    NEITHER = "neither KV heads nor feed-forward"
    """Layers whose `head_count_kv` and `feed_forward_length` are 0 (nemotron-h)."""
    INTERVAL = "interval"
    """All but every `full_attention_interval`-th layer, unless an array names them."""


@dataclass(frozen=True, slots=True)
class Sliding:
    """Which layers look back over a window only."""

    period: int | None = None
    """Every `period`-th layer attends to the whole context; None: only the header's array tells."""
    dense_first: bool = False
    """Whether the first layer of each period is the one that attends to everything, not the last."""
    default_window: int = 0
    """The window where the header gives none; 0: then no layer slides."""
    fixed_window: int = 0
    """The window whatever the header says."""
    all_attention: bool = False
    """Every attention layer slides when the header has a window (lfm2)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How one architecture uses its layers."""

    sliding: Sliding | None = None
    recurrence: Recurrence = Recurrence.NONE
    cached: bool = True
    """False for embedders and diffusion models: they keep nothing between batches."""
    copies_head: bool = True
    """Whether a head tied to the token table is copied to the device of the output layer."""
    rolls_back: bool = False
    """Whether recurrent states can be kept for tokens that may be taken back (llama-arch.cpp,
    `llm_arch_supports_rs_rollback`)."""
    kv_layers: int | None = None
    """Only so many layers from the first own a KV cache, the others read theirs (gemma3n)."""


_PLAIN = Rules()
_UNCACHED = Rules(cached=False)
_EMBEDDER = Rules(cached=False, copies_head=False)
_RECURRENT = Rules(recurrence=Recurrence.ALL)
_BY_HEADS = Rules(recurrence=Recurrence.NO_KV_HEADS)
_BY_INTERVAL = Rules(recurrence=Recurrence.INTERVAL)
_BY_FEED = Rules(recurrence=Recurrence.NEITHER, rolls_back=True)

# Every layer attends to the whole context. llama.cpp reads the window of phi3 files and switches it off
# ("Phi SWA is currently disabled"); latent attention (deepseek2) shows in the header's own keys.
_ATTENTION_ONLY = (
    "apertus arcee arctic baichuan bailingmoe bailingmoe2 bloom chameleon chatglm codeshell command-r "
    "dbrx deci deepseek deepseek2 deepseek2-ocr dots1 ernie4_5 ernie4_5-moe exaone falcon gemma glm4 glm4moe "
    "gpt2 gptneox granite granitemoe grok hunyuan-dense hunyuan-moe hunyuan_vl internlm2 jais llama maincoder "
    "minicpm minicpm3 minimax-m2 mistral3 mpt nemotron olmo olmoe openelm orion paddleocr pangu-embedded phi2 "
    "phi3 phimoe plamo qwen qwen2 qwen2moe qwen25vl qwen2vl qwen3 qwen3moe qwen3vl qwen3vlmoe refact seed_oss "
    "smollm3 stablelm starcoder starcoder2 xverse"
)

RULES: dict[str, Rules] = {
    **dict.fromkeys(_ATTENTION_ONLY.split(), _PLAIN),
    "bitnet": Rules(copies_head=False),
    # A period of sliding layers, then one that sees everything; the header may override it.
    "gemma2": Rules(Sliding(2, default_window=4096)),
    "gemma3": Rules(Sliding(6)),
    "gemma3n": Rules(Sliding(5), kv_layers=20),
    "gemma4": Rules(Sliding()),
    "gpt-oss": Rules(Sliding(2)),
    # As Ollama's own converter calls it.
    "gptoss": Rules(Sliding(2)),
    "cohere2": Rules(Sliding(4)),
    "exaone4": Rules(Sliding(4, default_window=4096)),
    "exaone-moe": Rules(Sliding(4, default_window=128)),
    "olmo2": Rules(Sliding(4)),
    "afmoe": Rules(Sliding(4)),
    "plamo3": Rules(Sliding(8)),
    "smallthinker": Rules(Sliding(4, dense_first=True, fixed_window=4096)),
    "mimo2": Rules(Sliding()),
    "step35": Rules(Sliding()),
    # Chunked attention keeps no more than a chunk of 8192 tokens (llama4.cpp).
    "llama4": Rules(Sliding(4, default_window=8192, fixed_window=8192)),
    # A state of fixed size instead of a cache.
    "mamba": _RECURRENT,
    "mamba2": _RECURRENT,
    "rwkv6": _RECURRENT,
    "rwkv6qwen2": _RECURRENT,
    "rwkv7": _RECURRENT,
    "arwkv7": _RECURRENT,
    # Some layers attend, the others keep a state.
    "jamba": _BY_HEADS,
    "plamo2": _BY_HEADS,
    "granitehybrid": _BY_HEADS,
    "lfm2": Rules(Sliding(all_attention=True), Recurrence.NO_KV_HEADS, rolls_back=True),
    "lfm2moe": Rules(recurrence=Recurrence.NO_KV_HEADS, rolls_back=True),
    "nemotron_h": _BY_FEED,
    "nemotron_h_moe": _BY_FEED,
    "qwen3next": _BY_INTERVAL,
    "qwen35": Rules(recurrence=Recurrence.INTERVAL, rolls_back=True),
    "qwen35moe": Rules(recurrence=Recurrence.INTERVAL, rolls_back=True),
    "falcon-h1": Rules(recurrence=Recurrence.BOTH),
    # Nothing is kept between batches.
    "bert": _EMBEDDER,
    "nomic-bert": _EMBEDDER,
    "nomic-bert-moe": _EMBEDDER,
    "jina-bert-v2": _EMBEDDER,
    "jina-bert-v3": _EMBEDDER,
    "neo-bert": _EMBEDDER,
    "eurobert": _EMBEDDER,
    "modern-bert": Rules(Sliding(3, dense_first=True), cached=False, copies_head=False),
    "gemma-embedding": Rules(Sliding(6), cached=False),
    "dream": _UNCACHED,
    "llada": _UNCACHED,
    "llada-moe": _UNCACHED,
}
