"""The parts of a layer, as Ollama's own engine builds them (Ollama v0.24.0, ml/nn and ml/backend/ggml/ggml.go).

The order of nodes and of their sources decides which gaps the allocator finds, so it is kept.
"""

from __future__ import annotations

from kdmgr.fit.graph.allocator import HOST, Tensor
from kdmgr.fit.graph.blocks import layer_norm, project
from kdmgr.fit.ollama_engine.context import Forward
from kdmgr.gguf.weights import LayerTensors

Heads = tuple[Tensor, Tensor | None, Tensor | None]


def embed(f: Forward, *, copied: bool = False) -> Tensor:
    """The tokens' vectors, looked up in host memory; `copied` where images may be written over them."""
    rows = f.graph.op((f.n_embd, f.n_tokens), f.tokens)
    rows.place = HOST
    return f.graph.op(rows.shape, rows) if copied else rows


def last_rows(f: Forward, value: Tensor) -> Tensor:
    """Only the rows that logits are wanted for."""
    return f.graph.op((value.shape[0], f.n_outputs), value, f.outputs)


def make_heads(f: Forward, value: Tensor, layer: LayerTensors, index: int) -> tuple[Tensor, Tensor, Tensor]:
    """Q, K and V as heads, with their norms."""
    a, n, graph = f.attention, f.n_tokens, f.graph
    sizes = (
        (a.n_embd_head_k[index], a.n_head[index], n),
        (a.n_embd_head_k[index], a.n_head_kv[index], n),
        (a.n_embd_head_v[index], a.n_head_kv[index], n),
    )
    if "attn_qkv" in layer:
        fused = project(graph, value, layer, "attn_qkv")
        q, k, v = (graph.view(fused, size) for size in sizes)
    else:
        raw = (project(graph, value, layer, name) for name in ("attn_q", "attn_k", "attn_v"))
        q, k, v = (graph.view(part, size) for part, size in zip(raw, sizes, strict=True))
    if "attn_q_norm" in layer:
        q = layer_norm(graph, q, layer, "attn_q_norm")
        k = layer_norm(graph, k, layer, "attn_k_norm")
    return q, k, v


def rotate(f: Forward, value: Tensor) -> Tensor:
    """RoPE."""
    return f.graph.each(value, f.positions)


def attend(f: Forward, heads: Heads, index: int) -> Tensor:
    """`nn.Attention` over the layer's cache; K and V are None in a layer that reads another's. Heads side by side."""
    graph, n, a = f.graph, f.n_tokens, f.attention
    q, k, v = heads
    cache = f.cache(index)
    graph.expand(q)
    if k is not None and v is not None:
        graph.expand(k)
        graph.expand(v)
        graph.expand(graph.store(_flat(f, k), cache.locations))
        graph.expand(graph.store(_flat(f, v), cache.locations))
    bytes_k, bytes_v = f.cached_bytes(index, cache.n_kv)
    q, n_head, head_v = graph.view(q, q.shape), a.n_head[index], a.n_embd_head_v[index]
    if f.options.flash_attn:
        out = graph.reads_cache(graph.op((head_v, n_head, n), q, cache.mask), bytes_k, bytes_v, after=1)
    else:
        scores = graph.reads_cache(graph.op((cache.n_kv, n, n_head), q), bytes_k)
        scores = graph.each(scores, cache.mask)
        mixed = graph.reads_cache(graph.op((head_v, n, n_head), scores), bytes_v)
        out = graph.op((head_v, n_head, n), graph.view(mixed, (head_v, n_head, n)))
    return graph.view(out, (head_v * n_head, n))


def attend_uncached(f: Forward, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """`nn.Attention` within one batch, without a mask."""
    graph, (size, n_head, n) = f.graph, q.shape
    for part in (q, k, v):
        graph.expand(part)
    q, k = graph.view(q, q.shape), graph.view(k, k.shape)
    if f.options.flash_attn:
        out = graph.op((size, n_head, n), q, k, graph.view(v, v.shape))
    else:
        turned = graph.op((n, size, n_head), graph.view(v, (n, size, n_head)))
        scores = graph.each(graph.op((n, n, n_head), k, q))
        mixed = graph.op((size, n, n_head), turned, scores)
        out = graph.op((size, n_head, n), graph.view(mixed, (size, n_head, n)))
    return graph.view(out, (size * n_head, n))


def feed(f: Forward, value: Tensor, layer: LayerTensors, suffix: str = "") -> Tensor:
    """A gated feed-forward."""
    graph = f.graph
    gate = project(graph, value, layer, f"ffn_gate{suffix}")
    up = project(graph, value, layer, f"ffn_up{suffix}")
    return project(graph, graph.op(up.shape, gate, up), layer, f"ffn_down{suffix}")


def _flat(f: Forward, value: Tensor) -> Tensor:
    """One row per token; a slice of a fused projection is copied first."""
    shape = (value.shape[0] * value.shape[1], f.n_tokens)
    is_slice = value.is_view and value.root is not None and value.root.size != value.size
    return f.graph.op(shape, value) if is_slice else f.graph.view(value, shape)
