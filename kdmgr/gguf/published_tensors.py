"""The tensors of a published model, by its hyper-parameters: names and shapes as llama.cpp's converter writes them.

Only architectures whose tensors are known to the last one are here; tests hold them against the engine's own list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Row = tuple[str, tuple[int, ...]]
"""A tensor's name without `blk.N.`, and its shape in ggml's order."""


@dataclass(frozen=True, slots=True)
class PublishedExperts:
    """A mixture of experts. `n_ff` is the width of one expert, `n_dense` the leading layers without any."""

    n_expert: int
    n_expert_used: int
    n_ff: int
    n_shared: int = 0
    n_dense: int = 0


@dataclass(frozen=True, slots=True)
class PublishedLatent:
    """Multi-head latent attention: ranks of the compressed query and cache, and the parts of a head."""

    q_rank: int
    kv_rank: int
    head_nope: int
    head_rope: int
    head_v: int


@dataclass(frozen=True, slots=True)
class PublishedShape:
    """A model's hyper-parameters under llama.cpp's names, as published."""

    architecture: str
    n_layer: int
    n_embd: int
    n_head: int
    n_head_kv: int
    n_ff: int
    n_vocab: int
    n_ctx_train: int
    n_embd_head: int | None = None
    """Of one head; None where it is `n_embd / n_head`."""
    n_swa: int = 0
    tied: bool = False
    """Whether the output layer is the token table."""
    experts: PublishedExperts | None = None
    latent: PublishedLatent | None = None

    @property
    def head_size(self) -> int:
        """Elements of one head."""
        return self.n_embd_head or self.n_embd // self.n_head


@dataclass(frozen=True, slots=True)
class _Style:
    """How an architecture differs from a llama."""

    qkv_bias: bool = False
    qk_norm: bool = False
    post_norms: bool = False
    norm_bias: bool = False
    fused: bool = False
    """One tensor for query, key and value, and one for gate and up."""
    gated: bool = True


_STYLES = {
    "llama": _Style(),
    "llama4": _Style(),
    "mistral3": _Style(),
    "qwen2": _Style(qkv_bias=True),
    "qwen3": _Style(qk_norm=True),
    "qwen3moe": _Style(qk_norm=True),
    "gemma2": _Style(post_norms=True),
    "gemma3": _Style(qk_norm=True, post_norms=True),
    "phi3": _Style(fused=True),
    "nemotron": _Style(norm_bias=True, gated=False),
    "deepseek2": _Style(),
}
BUILDABLE = frozenset(_STYLES)
"""Architectures, under llama.cpp's names, whose header can be built."""


def outer_rows(shape: PublishedShape) -> Iterator[Row]:
    """The tensors that belong to no layer."""
    yield "token_embd.weight", (shape.n_embd, shape.n_vocab)
    yield from _norm("output_norm", shape.n_embd, _STYLES[shape.architecture])
    if not shape.tied:
        yield "output.weight", (shape.n_embd, shape.n_vocab)


def layer_rows(shape: PublishedShape, layer: int) -> Iterator[Row]:
    """The tensors of one layer."""
    style = _STYLES[shape.architecture]
    yield from _norm("attn_norm", shape.n_embd, style)
    yield from _attention(shape, style)
    yield from _feed(shape, style, layer)


def _norm(name: str, width: int, style: _Style) -> tuple[Row, ...]:
    weight: Row = (f"{name}.weight", (width,))
    return (weight, (f"{name}.bias", (width,))) if style.norm_bias else (weight,)


def _attention(shape: PublishedShape, style: _Style) -> Iterator[Row]:
    if shape.latent:
        yield from _latent_attention(shape, shape.latent)
        return
    width, head = shape.n_embd, shape.head_size
    q, kv = head * shape.n_head, head * shape.n_head_kv
    parts = (("attn_qkv", q + 2 * kv),) if style.fused else (("attn_q", q), ("attn_k", kv), ("attn_v", kv))
    for name, rows in parts:
        yield f"{name}.weight", (width, rows)
        if style.qkv_bias:
            yield f"{name}.bias", (rows,)
    yield "attn_output.weight", (q, width)
    if style.qk_norm:
        yield "attn_q_norm.weight", (head,)
        yield "attn_k_norm.weight", (head,)
    if style.post_norms:
        yield "post_attention_norm.weight", (width,)


def _latent_attention(shape: PublishedShape, latent: PublishedLatent) -> Iterator[Row]:
    width, heads = shape.n_embd, shape.n_head
    yield "attn_q_a_norm.weight", (latent.q_rank,)
    yield "attn_kv_a_norm.weight", (latent.kv_rank,)
    yield "attn_q_a.weight", (width, latent.q_rank)
    yield "attn_q_b.weight", (latent.q_rank, heads * (latent.head_nope + latent.head_rope))
    yield "attn_kv_a_mqa.weight", (width, latent.kv_rank + latent.head_rope)
    yield "attn_k_b.weight", (latent.head_nope, latent.kv_rank, heads)
    yield "attn_v_b.weight", (latent.kv_rank, latent.head_v, heads)
    yield "attn_output.weight", (heads * latent.head_v, width)


def _feed(shape: PublishedShape, style: _Style, layer: int) -> Iterator[Row]:
    yield from _norm("ffn_norm", shape.n_embd, style)
    if shape.experts and layer >= shape.experts.n_dense:
        yield from _mixture(shape, shape.experts)
    else:
        yield from _dense(shape.n_embd, shape.n_ff, style)
    if style.post_norms:
        yield "post_ffw_norm.weight", (shape.n_embd,)


def _dense(width: int, n_ff: int, style: _Style) -> Iterator[Row]:
    if style.gated and not style.fused:
        yield "ffn_gate.weight", (width, n_ff)
    yield "ffn_down.weight", (n_ff, width)
    yield "ffn_up.weight", (width, 2 * n_ff if style.fused else n_ff)


def _mixture(shape: PublishedShape, experts: PublishedExperts) -> Iterator[Row]:
    width, count = shape.n_embd, experts.n_expert
    yield "ffn_gate_inp.weight", (width, count)
    if shape.latent:
        yield "exp_probs_b.bias", (count,)
    yield "ffn_gate_exps.weight", (width, experts.n_ff, count)
    yield "ffn_down_exps.weight", (experts.n_ff, width, count)
    yield "ffn_up_exps.weight", (width, experts.n_ff, count)
    shared = experts.n_ff * experts.n_shared
    if shared:
        yield "ffn_gate_shexp.weight", (width, shared)
        yield "ffn_down_shexp.weight", (shared, width)
        yield "ffn_up_shexp.weight", (width, shared)
