"""Multi-head latent attention, with and without the weights that absorb it (llama.cpp, src/models/deepseek2.cpp)."""

from __future__ import annotations

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.blocks import attend, layer_norm, project
from kdmgr.fit.graph.builder import F16
from kdmgr.fit.graph.context import Context, Heads
from kdmgr.fit.options import cache_type
from kdmgr.gguf.weights import LayerTensors


def latent_attention(context: Context, value: Tensor, layer: LayerTensors, index: int) -> Tensor:
    """Attention over a compressed row per token, or over the heads it is expanded to."""
    graph, n, heads = context.graph, context.batch.n_tokens, context.heads(index)
    q = _query(context, value, layer)
    rank = context.shape.lora_ranks[1]
    compressed = project(graph, value, layer, "attn_kv_a_mqa")
    position = compressed.shape[0] - rank
    row = graph.view(compressed, (rank, n))
    k_position = graph.each(graph.view(compressed, (position, 1, n)), context.positions)
    row = layer_norm(graph, row, layer, "attn_kv_a_norm")
    head = q.shape[0] // heads.n_head
    q = graph.view(q, (head, heads.n_head, n))
    if "attn_k_b" in layer:
        out = _absorbed(context, q, row, k_position, layer, index)
    else:
        out = _expanded(context, q, row, k_position, layer, index)
    return project(graph, out, layer, "attn_output")


def _query(context: Context, value: Tensor, layer: LayerTensors) -> Tensor:
    graph = context.graph
    if "attn_q_a" not in layer:
        return project(graph, value, layer, "attn_q")
    return project(
        graph, layer_norm(graph, project(graph, value, layer, "attn_q_a"), layer, "attn_q_a_norm"), layer, "attn_q_b"
    )


def _absorbed(context: Context, q: Tensor, row: Tensor, k_position: Tensor, layer: LayerTensors, index: int) -> Tensor:
    graph, n = context.graph, context.batch.n_tokens
    rank, position = row.shape[0], k_position.shape[0]
    n_head = context.heads(index).n_head
    plain = q.shape[0] - position
    q_position = graph.each(graph.view(q, (position, n_head, n)), context.positions)
    q_plain = graph.view(graph.view(q, (plain, n_head, n)), (plain, n, n_head))
    absorbed = graph.weighted(graph.op((rank, n, n_head), q_plain), layer.size("attn_k_b"))
    absorbed = graph.view(absorbed, (rank, n_head, n))
    query = graph.op((rank + position, n_head, n), absorbed, q_position)
    row = graph.view(row, (rank, 1, n))
    key = graph.op((rank + position, 1, n), row, k_position)
    for part in (query, row, key):
        graph.expand(part)
    graph.expand(graph.store(graph.view(key, (rank + position, n)), context.full.k_idxs))
    return _attend_rows(context, query, rank, layer, n_head)


def _attend_rows(context: Context, query: Tensor, rank: int, layer: LayerTensors, n_head: int) -> Tensor:
    v_size, v_bytes = layer.rows("attn_v_b"), layer.size("attn_v_b")
    row_bytes = cache_type(context.options.type_k).row_bytes
    cached = row_bytes(query.shape[0]) * context.full.n_kv * context.batch.n_seqs
    # V is the beginning of K's rows. On a device it is a second copy, of nearly the same size.
    cached_v = cached - row_bytes(query.shape[0]) + row_bytes(rank)
    graph, n, n_kv = context.graph, context.batch.n_tokens, context.full.n_kv
    query = graph.view(graph.view(query, query.shape), query.shape)
    if context.batch.flash_attn:
        out = graph.reads_cache(graph.op((rank, n_head, n), query, context.full.mask), cached, cached_v, after=1)
        out.workspace = context.f16_copies(Heads(n_head, 1, query.shape[0], rank), context.full)
        out = graph.weighted(graph.op((v_size, n, n_head), graph.view(out, (rank, n, n_head))), v_bytes)
        out = graph.op((v_size, n_head, n), graph.view(out, (v_size, n_head, n)))
        out = graph.view(out, (v_size * n_head, n))
    else:
        scores = graph.reads_cache(graph.op((n_kv, n, n_head), query), cached)
        scores = graph.each(scores, context.full.mask)
        # It is copied to lie the way the multiplication needs it.
        rows = graph.op((n_kv * context.batch.n_seqs, rank), context.full.k_idxs, element=F16)
        rows = graph.reads_cache(rows, cached_v)
        out = graph.weighted(graph.op((v_size, n, n_head), graph.op((rank, n, n_head), rows, scores)), v_bytes)
        out = graph.op((v_size * n_head, n), graph.view(out, (v_size, n_head, n)))
    graph.expand(out)
    return out


def _expanded(context: Context, q: Tensor, row: Tensor, k_position: Tensor, layer: LayerTensors, index: int) -> Tensor:
    graph, n, heads = context.graph, context.batch.n_tokens, context.heads(index)
    both = project(graph, row, layer, "attn_kv_b")
    position = k_position.shape[0]
    k_plain = graph.view(both, (heads.k - position, heads.n_head, n))
    v = graph.view(both, (heads.v, heads.n_head, n))
    v = graph.op(v.shape, v)
    q = graph.each(q, context.positions)
    repeated = graph.op((position, heads.n_head, n), k_position)
    k = graph.op((heads.k, heads.n_head, n), k_plain, repeated)
    return attend(context, (q, k, v), context.full, heads)
