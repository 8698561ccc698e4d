"""Attention whose output passes a gate before it is projected (llama.cpp: qwen3next.cpp, qwen35.cpp, afmoe.cpp)."""

from __future__ import annotations

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.blocks import attend, make_qkv, place_by_position, project
from kdmgr.fit.graph.context import Context
from kdmgr.gguf.weights import LayerTensors


def gated_attention(context: Context, value: Tensor, layer: LayerTensors, index: int) -> Tensor:
    """The gate comes with Q in one projection, or from a projection of its own."""
    graph, heads, n = context.graph, context.heads(index), context.batch.n_tokens
    if "attn_gate" in layer:
        q, k, v = make_qkv(context, value, layer, heads)
        gate = project(graph, value, layer, "attn_gate")
    else:
        both = project(graph, value, layer, "attn_q")
        k = graph.view(project(graph, value, layer, "attn_k"), (heads.k, heads.n_head_kv, n))
        v = graph.view(project(graph, value, layer, "attn_v"), (heads.v, heads.n_head_kv, n))
        q = graph.view(both, (heads.k, heads.n_head, n))
        gate = graph.op((heads.k * heads.n_head, n), graph.view(both, (heads.k, heads.n_head, n)))
    q = place_by_position(context, q, layer, "attn_q_norm", index)
    k = place_by_position(context, k, layer, "attn_k_norm", index)
    out = attend(context, (q, k, v), context.cache(index), heads)
    return project(graph, graph.each(out, graph.each(gate)), layer, "attn_output")
