"""The parts of a transformer layer, node by node as llama.cpp builds them (src/llama-graph.cpp).

The order of nodes and of their sources decides which gaps the allocator finds, so it is kept.
"""

from __future__ import annotations

from kdmgr.fit.graph.allocator import HOST, Tensor
from kdmgr.fit.graph.builder import F16, F32, Graph
from kdmgr.fit.graph.context import CacheInputs, Context, Heads
from kdmgr.fit.graph.traits import rotates
from kdmgr.gguf.weights import LayerTensors

Qkv = tuple[Tensor, Tensor | None, Tensor | None]


def norm(graph: Graph, value: Tensor, *, weight: bool = True, bias: bool = False, place: int | None = None) -> Tensor:
    """`build_norm`: normalise, scale, shift. `place` is the device of the layer that it belongs to.

    Only the norm without a shift (RMS) may overwrite what it reads.
    """
    value = graph.op(value.shape, value) if bias else graph.each(value)
    value.norm_place = place
    if weight:
        value = graph.weighted(graph.each(value))
    return graph.weighted(graph.each(value)) if bias else value


def layer_norm(graph: Graph, value: Tensor, layer: LayerTensors, name: str) -> Tensor:
    """The norm called `name`, as far as the layer has its weight and bias."""
    return norm(graph, value, weight=name in layer, bias=layer.has_bias(name), place=graph.place.device)


def project(graph: Graph, value: Tensor, layer: LayerTensors, name: str) -> Tensor:
    """A multiplication with the weight called `name`, and its bias."""
    result = graph.weighted(graph.op((layer.rows(name), *value.shape[1:]), value), layer.size(name), name)
    return graph.weighted(graph.each(result), name=name) if layer.has_bias(name) else result


def make_qkv(context: Context, value: Tensor, layer: LayerTensors, heads: Heads) -> tuple[Tensor, Tensor, Tensor]:
    """`build_qkv`: Q, K and V as heads."""
    graph, n = context.graph, context.batch.n_tokens
    shapes = ((heads.k, heads.n_head, n), (heads.k, heads.n_head_kv, n), (heads.v, heads.n_head_kv, n))
    if "attn_qkv" in layer:
        fused = project(graph, value, layer, "attn_qkv")
        q, k, v = (graph.view(fused, shape) for shape in shapes)
    else:
        raw = (project(graph, value, layer, name) for name in ("attn_q", "attn_k", "attn_v"))
        q, k, v = (graph.view(part, shape) for part, shape in zip(raw, shapes, strict=True))
    return q, k, v


def self_attention(context: Context, value: Tensor, layer: LayerTensors, index: int) -> Tensor:
    """Attention of a plain layer: project, normalise, rotate by position, attend, project."""
    graph, heads, traits = context.graph, context.heads(index), context.traits
    q, k, v = make_qkv(context, value, layer, heads)
    q = place_by_position(context, q, layer, "attn_q_norm", index)
    k = place_by_position(context, k, layer, "attn_k_norm", index)
    if traits.scales_q:
        q = graph.each(q)
    if traits.temperature:
        q = graph.each(q, context.temperatures)
    out = attend(context, (q, k, v), context.cache(index), heads)
    if "attn_sub_norm" in layer:
        out = layer_norm(graph, out, layer, "attn_sub_norm")
    return project(graph, out, layer, "attn_output")


def attend(context: Context, qkv: Qkv, cache: CacheInputs, heads: Heads) -> Tensor:
    """`build_attn`: store K and V, then attend; the heads' outputs side by side.

    K and V are None in a layer that reads another layer's cache.
    """
    graph, n = context.graph, context.batch.n_tokens
    q, k, v = qkv
    q = _rotate(graph, q, cache.k_rot)
    k = k and _rotate(graph, k, cache.k_rot)
    v = v and _rotate(graph, v, cache.v_rot)
    for value in (q, k, v) if context.attention.n_swa or not any(context.attention.caches) else (q, v, k):
        if value is not None:
            graph.expand(value)
    if not any(context.attention.caches):
        return attention_core(context, q, cache, heads, tuple(part for part in (k, v) if part))
    if k is not None:
        graph.expand(graph.store(graph.view(k, (k.shape[0] * k.shape[1], n)), cache.k_idxs))
    if v is not None:
        _store_v(context, v, cache)
    return _rotate(graph, attention_core(context, q, cache, heads), cache.v_rot)


def attention_core(
    context: Context, q: Tensor, cache: CacheInputs, heads: Heads, kv: tuple[Tensor, ...] = ()
) -> Tensor:
    """`build_attn_mha`: fused, or with the scores spelled out. `kv` are K and V where no cache holds them."""
    graph, n, n_kv = context.graph, context.batch.n_tokens, cache.n_kv
    q = graph.view(graph.view(q, q.shape), q.shape)
    if context.batch.flash_attn:
        halves = [graph.op(part.shape, graph.view(part, part.shape), element=F16) for part in kv]
        out = graph.op((heads.v, heads.n_head, n), q, *halves, cache.mask)
        out = graph.reads_cache(out, *context.cache_bytes(heads, cache), after=1)
        out.workspace = context.f16_copies(heads, cache)
        out = graph.view(out, (heads.v * heads.n_head, n))
    else:
        scores = graph.op((n_kv, n, heads.n_head), *kv[:1], q)
        scores = graph.reads_cache(scores, context.cache_bytes(heads, cache)[0])
        if context.traits.soft_cap:
            scores = graph.each(graph.each(graph.each(scores)))
        scores = graph.each(scores, cache.mask)
        v = [graph.op(part.shape, graph.view(part, part.shape)) for part in kv[1:]]
        out = graph.op((heads.v, n, heads.n_head), *v, scores)
        out = graph.reads_cache(out, context.cache_bytes(heads, cache)[1])
        out = graph.op((heads.v * heads.n_head, n), graph.view(out, (heads.v, heads.n_head, n)))
    graph.expand(out)
    return out


def feed_forward(context: Context, value: Tensor, layer: LayerTensors, suffix: str = "") -> Tensor:
    """`build_ffn`: gated, fused (gate and up in one weight) or plain."""
    graph = context.graph
    gate, up, down = f"ffn_gate{suffix}", f"ffn_up{suffix}", f"ffn_down{suffix}"
    hidden = project(graph, value, layer, up)
    if gate in layer:
        gated = project(graph, value, layer, gate)
        hidden = graph.op(hidden.shape, gated, hidden)
    elif layer.columns(down) * 2 == hidden.shape[0]:
        hidden = graph.op((hidden.shape[0] // 2, *hidden.shape[1:]), hidden)
    else:
        hidden = graph.each(hidden)
        if context.traits.squared:
            hidden = graph.each(hidden)
    if "ffn_sub_norm" in layer:
        hidden = layer_norm(graph, hidden, layer, "ffn_sub_norm")
    return project(graph, hidden, layer, down)


def place_by_position(context: Context, value: Tensor, layer: LayerTensors, name: str, index: int) -> Tensor:
    """Q or K with its norm, if there is one, and rotated by position where layer `index` does that."""
    if not context.traits.positional:
        return value
    if context.traits.norms_rotated:
        return layer_norm(context.graph, rotate_by_position(context, value), layer, name)
    if name in layer and context.traits.flat_qk_norm:
        # The norm spans all heads, so it comes before they are told apart.
        value = context.graph.view(layer_norm(context.graph, value.sources[0], layer, name), value.shape)
    elif name in layer:
        value = layer_norm(context.graph, value, layer, name)
    return rotate_by_position(context, value) if rotates(context.traits, context.attention, index) else value


def rotate_by_position(context: Context, value: Tensor) -> Tensor:
    """RoPE. Its factors are a weight, though too small a one to decide where it runs."""
    graph = context.graph
    rotated = graph.each(value, context.positions)
    if context.reads_rope_factors and graph.place.device == HOST:
        rotated.foreign, rotated.foreign_at = (context.rope_factors,), 2
    return rotated


def _is_slice(value: Tensor) -> bool:
    """Whether it is a part of a fused projection, which is not contiguous and so has to be copied first."""
    return value.is_view and value.root is not None and value.root.size != value.size


def _rotate(graph: Graph, value: Tensor, rotation: Tensor | None) -> Tensor:
    """`llama_mul_mat_hadamard`: what is stored in a quantised cache is rotated first."""
    if rotation is None:
        return value
    size = rotation.shape[0]
    shape = (size, value.size // F32 // size)
    flat = graph.op(shape, value) if _is_slice(value) else graph.view(value, shape)
    return graph.view(graph.op(flat.shape, rotation, flat), value.shape)


def _store_v(context: Context, v: Tensor, cache: CacheInputs) -> None:
    graph, n = context.graph, context.batch.n_tokens
    width = v.shape[0] * v.shape[1]
    if context.batch.flash_attn:
        graph.expand(graph.store(graph.view(v, (width, n)), cache.v_idxs))
        return
    flat = graph.op((width, n), v) if _is_slice(v) else graph.view(v, (width, n))
    if width < context.widest_v:
        flat = graph.op((context.widest_v, n), flat)
    graph.expand(graph.store(graph.view(flat, (1, flat.shape[0] * n)), cache.v_idxs))
