"""What each layer keeps between batches: a KV cache, a recurrent state, both or nothing.

Follows `llama_model_base::load_hparams` and the methods of `llama_hparams` in llama.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.gguf.architectures import Recurrence, Rules, Sliding
from kdmgr.gguf.keys import Keys


@dataclass(frozen=True, slots=True)
class Attention:
    """What a KV cache is made of; tuples hold one entry per layer."""

    n_head: tuple[int, ...]
    n_head_kv: tuple[int, ...]
    n_embd_head_k: tuple[int, ...]
    n_embd_head_v: tuple[int, ...]
    n_swa: int
    """Tokens a sliding layer looks back; 0 when no layer slides."""
    slides: tuple[bool, ...]
    caches: tuple[bool, ...]
    """Whether the layer owns a KV cache."""
    latent: bool = False
    """Multi-head latent attention: K holds one compressed row per token, V is computed from it."""
    fused_qkv: bool = False

    def k_width(self, layer: int) -> int:
        """Elements of K for one token (llama.cpp, `n_embd_k_gqa`)."""
        return self.n_head_kv[layer] * self.n_embd_head_k[layer] if self.caches[layer] else 0

    def v_width(self, layer: int) -> int:
        """Elements of V for one token (llama.cpp, `n_embd_v_gqa`)."""
        return self.n_head_kv[layer] * self.n_embd_head_v[layer] if self.caches[layer] and not self.latent else 0


@dataclass(frozen=True, slots=True)
class Recurrent:
    """States of fixed size, in f32; `layers` tells which layers have one."""

    layers: tuple[bool, ...]
    n_embd_r: int
    """Elements of the rolling state (a convolution's last columns), per layer and sequence."""
    n_embd_s: int
    """Elements of the recurrent state itself, per layer and sequence."""

    @property
    def layer_bytes(self) -> int:
        """Bytes of one layer's state for one sequence."""
        return 4 * (self.n_embd_r + self.n_embd_s)


@dataclass(frozen=True, slots=True)
class StateSpace:
    """Dimensions of a state space or linear attention layer; 0 where the header gives none."""

    d_conv: int
    d_inner: int
    d_state: int
    dt_rank: int
    n_group: int


def read_attention(keys: Keys, n_layer: int, rules: Rules, recurrent: tuple[bool, ...]) -> Attention | None:
    """The layers' attention; None when the header does not give its heads."""
    n_head = keys.per_layer("attention.head_count", n_layer)
    n_head_kv = keys.per_layer("attention.head_count_kv", n_layer) or n_head
    n_embd = keys.integer("embedding_length")
    if rules.recurrence is Recurrence.ALL:
        n_head = n_head_kv = (0,) * n_layer
    if n_head is None or n_head_kv is None or not n_embd:
        return None
    if not max(n_head) and rules.recurrence is not Recurrence.ALL:
        return None
    default = n_embd // n_head[0] if n_head[0] else 0
    n_swa = _window(keys, rules.sliding)
    slides = _sliding_layers(keys, n_layer, rules.sliding, recurrent) if n_swa else (False,) * n_layer
    latent = bool(keys.integer("attention.key_length_mla") and keys.integer("attention.value_length_mla"))
    return Attention(
        n_head=n_head,
        n_head_kv=n_head_kv,
        n_embd_head_k=_head_sizes(keys, "key_length", default, slides),
        n_embd_head_v=_head_sizes(keys, "value_length", default, slides),
        n_swa=n_swa if any(slides) else 0,
        slides=slides,
        caches=_cached_layers(keys, n_layer, rules, recurrent),
        latent=latent,
    )


def recurrent_layers(keys: Keys, n_layer: int, rules: Rules) -> tuple[bool, ...]:
    """Which layers keep a recurrent state."""
    match rules.recurrence:
        case Recurrence.NONE:
            return (False,) * n_layer
        case Recurrence.ALL | Recurrence.BOTH:
            return (True,) * n_layer
        case Recurrence.INTERVAL:
            named = keys.flags("attention.recurrent_layers", n_layer)
            interval = keys.integer("full_attention_interval") or 4
            return named or tuple((layer + 1) % interval != 0 for layer in range(n_layer))
    heads = keys.per_layer("attention.head_count_kv", n_layer) or (1,) * n_layer
    if rules.recurrence is Recurrence.NO_KV_HEADS:
        return tuple(n == 0 for n in heads)
    widths = keys.per_layer("feed_forward_length", n_layer) or (0,) * n_layer
    return tuple(n == 0 and width == 0 for n, width in zip(heads, widths, strict=True))


def read_state(keys: Keys, layers: tuple[bool, ...], space: StateSpace) -> Recurrent | None:
    """The states of the layers marked in `layers`; None where there are none (`n_embd_r`, `n_embd_s`)."""
    if not any(layers):
        return None
    n_embd = keys.integer("embedding_length") or 0
    head = keys.integer("wkv.head_size")
    if head:
        return Recurrent(layers, (keys.integer("token_shift_count") or 2) * n_embd, n_embd * head)
    short = keys.integer("shortconv.l_cache")
    if short:
        return Recurrent(layers, n_embd * (short - 1), 0)
    rolling = max(space.d_conv - 1, 0) * (space.d_inner + 2 * space.n_group * space.d_state)
    return Recurrent(layers, rolling, space.d_state * space.d_inner)


def read_state_space(keys: Keys) -> StateSpace:
    """The `ssm.*` keys."""
    names = ("conv_kernel", "inner_size", "state_size", "time_step_rank", "group_count")
    return StateSpace(*(keys.integer(f"ssm.{name}") or 0 for name in names))


def _head_sizes(keys: Keys, key: str, default: int, slides: tuple[bool, ...]) -> tuple[int, ...]:
    full = keys.integer(f"attention.{key}") or default
    sliding = keys.integer(f"attention.{key}_swa") or full
    return tuple(sliding if slide else full for slide in slides)


def _window(keys: Keys, sliding: Sliding | None) -> int:
    if sliding is None:
        return 0
    window = keys.integer("attention.sliding_window")
    if window is None:
        return sliding.default_window
    return sliding.fixed_window or window if window else 0


def _sliding_layers(keys: Keys, n_layer: int, sliding: Sliding | None, recurrent: tuple[bool, ...]) -> tuple[bool, ...]:
    if sliding is None:
        return (False,) * n_layer
    if sliding.all_attention:
        return tuple(not each for each in recurrent)
    named = keys.flags("attention.sliding_window_pattern", n_layer)
    if named is not None:
        return named
    period = keys.integer("attention.sliding_window_pattern") or sliding.period
    if not period:
        return (False,) * n_layer
    full = 0 if sliding.dense_first else period - 1
    return tuple(layer % period != full for layer in range(n_layer))


def _cached_layers(keys: Keys, n_layer: int, rules: Rules, recurrent: tuple[bool, ...]) -> tuple[bool, ...]:
    if not rules.cached or rules.recurrence is Recurrence.ALL:
        return (False,) * n_layer
    if rules.recurrence is Recurrence.BOTH:
        return (True,) * n_layer
    owners = n_layer - (keys.integer("attention.shared_kv_layers") or 0)
    if rules.kv_layers is not None:
        owners = rules.kv_layers
    widths = keys.per_layer("feed_forward_length", n_layer) or (0,) * n_layer
    return tuple(
        layer < owners and not recurrent[layer] and not (rules.recurrence is Recurrence.NEITHER and widths[layer])
        for layer in range(n_layer)
    )
