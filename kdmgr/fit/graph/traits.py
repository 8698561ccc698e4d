"""What an architecture's graph does that its tensors do not show.

Source of each row: the architecture's graph in llama.cpp (src/models/NAME.cpp).
"""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.gguf.layers import Attention


@dataclass(frozen=True, slots=True)
class Traits:
    """Departures from the plain transformer."""

    residual_first: str = ""
    """What a part adds to comes first in the addition: of "attention", of the "feed-forward", or of "both"."""
    early_routing: bool = False
    """Experts are chosen by the layer's input, before attention."""
    parallel: str = ""
    """Attention and feed-forward read the same norm; which of the two comes first when they are added."""
    positional: bool = True
    """Whether Q and K are rotated by position (RoPE)."""
    rope_factors: bool = True
    """Whether the rotation reads the tensor of factors that the model may have."""
    slides_by_position: bool = False
    """Only the sliding layers are, in a model that has some."""
    unrotated_every: int = 0
    """Every layer but one in so many is (`n_no_rope_layer_step`)."""
    flat_qk_norm: bool = False
    """Whether the norm of Q and K spans all heads."""
    norms_rotated: bool = False
    """Whether Q and K are normalised after they were rotated by position."""
    scales_q: bool = False
    temperature: bool = False
    """Whether Q is scaled by each token's position, which is an input."""
    soft_cap: bool = False
    """Attention scores pass a tanh when they are spelled out."""
    squared: bool = False
    """An ungated feed-forward squares what ReLU lets through."""
    gating: str = "softmax"
    """"softmax", "sigmoid", or "late": softmax over the chosen experts only."""
    norm_weights: bool | None = True
    """Whether the experts' weights are normalised; None: as the header says."""
    weigh_first: bool = False
    """The weights are applied before the experts, not after (llama 4)."""
    gates_shared: bool = False
    """The shared expert has a gate of its own."""
    adds_positions: bool = False
    """Positions are vectors, looked up on the host and added to the tokens."""
    norms_tokens: bool = False
    """The looked up tokens pass a norm of their own."""
    n_positions: int = 1
    """Positions per token; 4 where images have rows and columns (M-RoPE)."""


_PLAIN = Traits()
_ATTENTION_FIRST, _FEED_FIRST = Traits(parallel="attention"), Traits(parallel="feed-forward")
_SIGMOID = Traits(gating="sigmoid", norm_weights=None)
_GEMMA = Traits(scales_q=True)

TRAITS: dict[str, Traits] = {
    "phi2": Traits(parallel="attention", scales_q=True),
    "phi3": Traits(scales_q=True, residual_first="feed-forward"),
    "phimoe": Traits(scales_q=True, residual_first="feed-forward"),
    "falcon": _FEED_FIRST,
    "gptneox": Traits(parallel="residual"),
    "plamo": _FEED_FIRST,
    "command-r": Traits(parallel="residual"),
    "smollm3": Traits(unrotated_every=4),
    "exaone4": Traits(slides_by_position=True),
    "cohere2": Traits(parallel="residual", slides_by_position=True),
    "gemma": _GEMMA,
    "gemma2": Traits(scales_q=True, soft_cap=True),
    "gemma3": _GEMMA,
    "gemma-embedding": _GEMMA,
    "olmo2": Traits(flat_qk_norm=True),
    "olmoe": Traits(flat_qk_norm=True, norm_weights=False),
    "minimax-m2": Traits(flat_qk_norm=True, gating="sigmoid"),
    "nemotron": Traits(squared=True),
    "arcee": Traits(squared=True),
    "gpt2": Traits(positional=False, adds_positions=True),
    "starcoder": Traits(positional=False, adds_positions=True),
    "bloom": Traits(positional=False, norms_tokens=True),
    "mpt": Traits(positional=False),
    "refact": Traits(positional=False),
    "jais": Traits(positional=False),
    "bert": Traits(positional=False, adds_positions=True),
    "jina-bert-v2": Traits(positional=False),
    "openelm": Traits(residual_first="attention"),
    "jamba": Traits(positional=False, norm_weights=False, residual_first="both"),
    "lfm2": Traits(residual_first="both"),
    "granitehybrid": Traits(positional=False),
    "smallthinker": Traits(early_routing=True, slides_by_position=True),
    "nemotron_h": Traits(positional=False, squared=True),
    "nemotron_h_moe": Traits(positional=False, squared=True, gating="sigmoid", norm_weights=None),
    "pangu-embedded": Traits(rope_factors=False),
    "llada": Traits(rope_factors=False),
    "falcon-h1": Traits(rope_factors=False),
    "nomic-bert-moe": Traits(norm_weights=False),
    "qwen2vl": Traits(n_positions=4),
    "qwen3vl": Traits(n_positions=4),
    "mistral3": Traits(temperature=True),
    "hunyuan_vl": Traits(n_positions=4, norms_rotated=True),
    "hunyuan-dense": Traits(norms_rotated=True),
    "hunyuan-moe": Traits(norms_rotated=True),
    "maincoder": Traits(norms_rotated=True),
    "paddleocr": Traits(n_positions=4),
    "qwen3vlmoe": Traits(n_positions=4),
    "qwen2moe": Traits(norm_weights=False, gates_shared=True),
    "qwen3next": Traits(gates_shared=True),
    "qwen35": Traits(n_positions=4),
    "qwen35moe": Traits(n_positions=4, gates_shared=True),
    "gpt-oss": Traits(gating="late", norm_weights=False),
    "grok": Traits(soft_cap=True),
    "llama4": Traits(gating="sigmoid", norm_weights=False, weigh_first=True),
    "deepseek": Traits(norm_weights=False),
    "deepseek2": Traits(norm_weights=None),
    "bailingmoe": Traits(norm_weights=None),
    "bailingmoe2": _SIGMOID,
    "glm4moe": _SIGMOID,
    "afmoe": Traits(gating="sigmoid", norm_weights=None, unrotated_every=4),
    "dots1": _SIGMOID,
    "lfm2moe": Traits(gating="sigmoid", residual_first="both"),
    "ernie4_5-moe": _PLAIN,
}


def rotates(traits: Traits, attention: Attention, layer: int) -> bool:
    """Whether `layer` rotates Q and K by position."""
    if traits.slides_by_position and attention.n_swa and not attention.slides[layer]:
        return False
    step = traits.unrotated_every
    return traits.positional and not (step and (layer + 1) % step == 0)


def find_traits(architecture: str) -> Traits:
    """The departures of `architecture`."""
    return TRAITS.get(architecture, _PLAIN)
