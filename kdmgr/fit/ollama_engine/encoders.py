"""Models that make embeddings, in Ollama's own engine (Ollama v0.24.0, model/models/bert and nomicbert)."""

from __future__ import annotations

from collections.abc import Sequence

from kdmgr.fit.graph.allocator import HOST, Tensor
from kdmgr.fit.graph.blocks import layer_norm, norm, project
from kdmgr.fit.graph.builder import Place
from kdmgr.fit.ollama_engine.blocks import attend_uncached, embed, feed, make_heads, rotate
from kdmgr.fit.ollama_engine.context import Forward
from kdmgr.fit.ollama_engine.experts import mix_ungated
from kdmgr.gguf.weights import LayerTensors

_MEAN = 1
"""Of GGUF's kinds of pooling."""


def encode(f: Forward, layers: Sequence[int], places: Sequence[Place]) -> Tensor:
    """All of the model. What tokens are looked up in lies on the host, with its norm."""
    graph = f.graph
    graph.place = Place()
    value = graph.each(embed(f))
    if f.shape.architecture == "bert":
        rows = graph.op(value.shape, f.positions)
        rows.place = HOST
        value = graph.each(value, rows)
    value = norm(graph, value, bias=True)
    for index in layers:
        graph.place = places[index]
        value = _layer(f, value, f.shape.layers.kinds[f.shape.layers.kind_of[index]], index)
    graph.place = places[-1]
    return _pool(f, value)


def _layer(f: Forward, value: Tensor, layer: LayerTensors, index: int) -> Tensor:
    graph = f.graph
    q, k, v = make_heads(f, value, layer, index)
    if f.shape.architecture != "bert":
        q, k = rotate(f, q), rotate(f, k)
    out = project(graph, attend_uncached(f, q, k, v), layer, "attn_output")
    middle = layer_norm(graph, graph.each(out, value), layer, "attn_output_norm")
    return layer_norm(graph, graph.each(_feed(f, middle, layer), middle), layer, "layer_output_norm")


def _feed(f: Forward, value: Tensor, layer: LayerTensors) -> Tensor:
    if "ffn_gate_inp" in layer and f.shape.experts is not None:
        return mix_ungated(f, value, layer, f.shape.experts)
    if "ffn_gate" in layer:
        return feed(f, value, layer)
    up = project(f.graph, value, layer, "ffn_up")
    return project(f.graph, f.graph.view(up, up.shape), layer, "ffn_down")


def _pool(f: Forward, value: Tensor) -> Tensor:
    """One vector for all tokens, brought to length one."""
    graph, (n_embd, n) = f.graph, value.shape
    if f.shape.engine_view.pooling == _MEAN:
        turned = graph.op((n, n_embd), graph.view(value, (n, n_embd)))
        mean = graph.op((1, n_embd), turned)
        pooled = graph.op((n_embd, 1), graph.view(mean, (n_embd, 1)))
    else:
        pooled = graph.view(value, (n_embd, 1))
    return graph.op(pooled.shape, pooled)
