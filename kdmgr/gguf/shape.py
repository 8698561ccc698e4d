"""`GgufHeader` to `ModelShape`: the numbers that decide memory and speed, under llama.cpp's names.

GGUF's metadata keys are known in this package only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kdmgr.errors import Unreadable
from kdmgr.gguf.architectures import RULES, Rules
from kdmgr.gguf.engine_view import EngineView, read_engine_view
from kdmgr.gguf.header import GgufHeader, LongArray
from kdmgr.gguf.keys import Keys
from kdmgr.gguf.layers import (
    Attention,
    Recurrent,
    StateSpace,
    read_attention,
    read_state,
    read_state_space,
    recurrent_layers,
)
from kdmgr.gguf.ollama_view import OllamaView, read_ollama_view
from kdmgr.gguf.types import FILE_TYPES
from kdmgr.gguf.weights import Layers, Weights, weigh

# llama.cpp, LLAMA_MAX_LAYERS.
MAX_LAYERS = 512


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture of experts. Widths in elements of one expert's hidden layer."""

    n_expert: int
    n_expert_used: int
    n_ff: int
    n_group: int = 0
    n_group_used: int = 0
    """Experts may come in groups, of which a token is sent to the best few only; 0: they do not."""
    normalises: bool = False
    """Whether the weights of the chosen experts are made to sum to one, where the header says so."""
    scales: bool = False
    """Whether they are then multiplied by a constant."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """One model. `attention` is None where the architecture's rules are not known."""

    name: str | None
    architecture: str
    parameters: int
    quant: str | None
    n_ctx_train: int | None
    n_layer: int
    n_embd: int | None
    n_ff: int | None
    """Of the widest layer."""
    n_vocab: int | None
    experts: Experts | None
    attention: Attention | None
    recurrent: Recurrent | None
    state_space: StateSpace
    lora_ranks: tuple[int, int]
    """Ranks of the compressed query and of the compressed key and value; 0 without latent attention."""
    weights: Weights
    layers: Layers
    n_deepstack: int
    """Layers that an image's features are added to again; a token then carries as many vectors more."""
    has_chat_template: bool
    unknown: tuple[str, ...]
    """What the header leaves open, each as a sentence."""
    ollama_view: OllamaView
    """What Ollama up to 0.11.4 reckons with."""
    engine_view: EngineView
    """What Ollama's own engine loads, up to 0.24."""


def read_shape(header: GgufHeader) -> ModelShape:
    """The shape of the model that `header` describes; `Unreadable` when it describes none."""
    architecture = header.text("general.architecture")
    if architecture is None:
        raise Unreadable("the header names no architecture", hint="is this an old or a partial GGUF?")
    if not header.tensors:
        raise Unreadable("the file holds no tensors", hint="a vocabulary or the first shard of a set is no model")
    keys = Keys(header, architecture)
    n_layer = keys.integer("block_count")
    if n_layer is None or not 1 <= n_layer <= MAX_LAYERS:
        raise Unreadable(
            f"the header claims {n_layer} layers" if n_layer is not None else "the header gives no number of layers",
            hint="only whole models can be sized: no projectors, adapters or later shards",
        )
    n_layer -= min(keys.integer("nextn_predict_layers") or 0, n_layer - 1)
    rules = RULES.get(architecture)
    space = read_state_space(keys)
    recurrent = recurrent_layers(keys, n_layer, rules or Rules())
    attention, unknown = _read_attention(header, keys, n_layer, rules, recurrent)
    weights, layers = weigh(header, n_layer, copies_head=rules is None or rules.copies_head)
    n_vocab = _vocabulary(header, keys)
    return ModelShape(
        name=header.text("general.name"),
        architecture=architecture,
        parameters=header.n_elements,
        quant=find_file_type(header),
        n_ctx_train=keys.integer("context_length"),
        n_layer=n_layer,
        n_embd=keys.integer("embedding_length"),
        n_ff=max(keys.per_layer("feed_forward_length", n_layer) or (0,)) or None,
        n_vocab=n_vocab,
        experts=_read_experts(keys, n_layer),
        attention=attention,
        recurrent=read_state(keys, recurrent, space),
        state_space=space,
        lora_ranks=(keys.integer("attention.q_lora_rank") or 0, keys.integer("attention.kv_lora_rank") or 0),
        weights=weights,
        layers=replace(layers, parallel_residual=keys.number("use_parallel_residual") == 1),
        n_deepstack=keys.integer("n_deepstack_layers") or 0,
        has_chat_template=header.text("tokenizer.chat_template") is not None,
        unknown=unknown,
        ollama_view=read_ollama_view(header, keys, n_vocab),
        engine_view=read_engine_view(header, keys),
    )


def find_file_type(header: GgufHeader) -> str | None:
    """The quant's name: what the file says of itself, else the type that holds most of the weights."""
    file_type = header.integer("general.file_type")
    if file_type in FILE_TYPES:
        return FILE_TYPES[file_type]
    sizes: dict[str, int] = {}
    for tensor in header.tensors:
        sizes[tensor.type.name] = sizes.get(tensor.type.name, 0) + tensor.n_bytes
    return max(sizes, key=lambda name: sizes[name]) if sizes else None


def _read_attention(
    header: GgufHeader, keys: Keys, n_layer: int, rules: Rules | None, recurrent: tuple[bool, ...]
) -> tuple[Attention | None, tuple[str, ...]]:
    if rules is None:
        name = header.text("general.architecture")
        return None, (f"the architecture {name!r} is not known yet: KV cache and compute buffer",)
    attention = read_attention(keys, n_layer, rules, recurrent)
    if attention is None:
        return None, ("the header gives no attention heads: KV cache and compute buffer",)
    fused = any(tensor.name == "blk.0.attn_qkv.weight" for tensor in header.tensors)
    return replace(attention, fused_qkv=fused), ()


def _read_experts(keys: Keys, n_layer: int) -> Experts | None:
    n_expert = keys.integer("expert_count") or 0
    used = max(keys.per_layer("expert_used_count", n_layer) or (0,))
    if not n_expert or not used:
        return None
    widths = keys.per_layer("expert_feed_forward_length", n_layer) or keys.per_layer("feed_forward_length", n_layer)
    n_ff = max(widths or (0,))
    return Experts(
        n_expert=n_expert,
        n_expert_used=min(used, n_expert),
        n_ff=n_ff,
        n_group=keys.integer("expert_group_count") or 0,
        n_group_used=keys.integer("expert_group_used_count") or 0,
        normalises=keys.number("expert_weights_norm") == 1,
        scales=keys.number("expert_weights_scale") not in (0, 1),
    )


def _vocabulary(header: GgufHeader, keys: Keys) -> int | None:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, LongArray):
        return tokens.length
    if isinstance(tokens, tuple):
        return len(tokens)
    return keys.integer("vocab_size")
