"""`GgufHeader` to `ModelShape`: the numbers that decide memory and speed, under llama.cpp's names.

This is the only place that knows GGUF's metadata keys.
"""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.errors import Unreadable
from kdmgr.gguf.architectures import RULES, Rules
from kdmgr.gguf.header import GgufHeader, LongArray
from kdmgr.gguf.types import FILE_TYPES
from kdmgr.gguf.weights import Weights, weigh

# llama.cpp, LLAMA_MAX_LAYERS.
MAX_LAYERS = 512


@dataclass(frozen=True, slots=True)
class Attention:
    """What a KV cache is made of; tuples hold one entry per layer."""

    n_head: tuple[int, ...]
    n_head_kv: tuple[int, ...]
    n_embd_head_k: int
    n_embd_head_v: int
    n_swa: int
    """Tokens a sliding layer looks back; 0 when no layer slides."""
    slides: tuple[bool, ...]
    fused_qkv: bool


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
    n_expert: int
    n_expert_used: int
    attention: Attention | None
    weights: Weights
    has_chat_template: bool
    unknown: tuple[str, ...]
    """What the header leaves open, each as a sentence."""


def read_shape(header: GgufHeader) -> ModelShape:
    """The shape of the model that `header` describes; `Unreadable` when it describes none."""
    architecture = header.text("general.architecture")
    if architecture is None:
        raise Unreadable("the header names no architecture", hint="is this an old or a partial GGUF?")
    if not header.tensors:
        raise Unreadable("the file holds no tensors", hint="a vocabulary or the first shard of a set is no model")
    keys = _Keys(header, architecture)
    n_layer = keys.integer("block_count")
    if n_layer is None or not 1 <= n_layer <= MAX_LAYERS:
        raise Unreadable(
            f"the header claims {n_layer} layers" if n_layer is not None else "the header gives no number of layers",
            hint="only whole models can be sized: no projectors, adapters or later shards",
        )
    rules = RULES.get(architecture)
    attention, unknown = _read_attention(header, keys, n_layer, rules)
    return ModelShape(
        name=header.text("general.name"),
        architecture=architecture,
        parameters=header.n_elements,
        quant=find_file_type(header),
        n_ctx_train=keys.integer("context_length"),
        n_layer=n_layer,
        n_embd=keys.integer("embedding_length"),
        n_ff=max(keys.per_layer("feed_forward_length", n_layer) or (0,)) or None,
        n_vocab=_vocabulary(header, keys),
        n_expert=keys.integer("expert_count") or 0,
        n_expert_used=keys.integer("expert_used_count") or 0,
        attention=attention,
        weights=weigh(header, n_layer),
        has_chat_template=header.text("tokenizer.chat_template") is not None,
        unknown=unknown,
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


class _Keys:
    """The keys of one architecture: `block_count` is `llama.block_count`."""

    def __init__(self, header: GgufHeader, architecture: str) -> None:
        self._header = header
        self._prefix = architecture

    def integer(self, key: str) -> int | None:
        value = self._header.integer(f"{self._prefix}.{key}")
        return value if value is not None and 0 <= value < 1 << 31 else None

    def per_layer(self, key: str, n_layer: int) -> tuple[int, ...] | None:
        """One number for all layers, or an array with one for each."""
        single = self.integer(key)
        if single is not None:
            return (single,) * n_layer
        value = self._header.metadata.get(f"{self._prefix}.{key}")
        if not isinstance(value, tuple) or len(value) < n_layer:
            return None
        return tuple(int(entry) for entry in value[:n_layer] if isinstance(entry, int | float))


def _read_attention(
    header: GgufHeader, keys: _Keys, n_layer: int, rules: Rules | None
) -> tuple[Attention | None, tuple[str, ...]]:
    if rules is None:
        reason = (
            f"the architecture {header.text('general.architecture')!r} is not known yet: KV cache and compute buffer"
        )
        return None, (reason,)
    n_head = keys.per_layer("attention.head_count", n_layer)
    n_head_kv = keys.per_layer("attention.head_count_kv", n_layer) or n_head
    n_embd = keys.integer("embedding_length")
    if not n_head or not n_head_kv or not n_embd or not max(n_head):
        return None, ("the header gives no attention heads: KV cache and compute buffer",)
    default = n_embd // max(n_head)
    n_swa = (keys.integer("attention.sliding_window") or 0) if rules.swa_period else 0
    period = keys.integer("attention.sliding_window_pattern") or rules.swa_period
    attention = Attention(
        n_head=n_head,
        n_head_kv=n_head_kv,
        n_embd_head_k=keys.integer("attention.key_length") or default,
        n_embd_head_v=keys.integer("attention.value_length") or default,
        n_swa=n_swa,
        slides=tuple(bool(n_swa) and layer % period < period - 1 for layer in range(n_layer)),
        fused_qkv=any(tensor.name == "blk.0.attn_qkv.weight" for tensor in header.tensors),
    )
    return attention, ()


def _vocabulary(header: GgufHeader, keys: _Keys) -> int | None:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, LongArray):
        return tokens.length
    if isinstance(tokens, tuple):
        return len(tokens)
    return keys.integer("vocab_size")
