"""The layers of models that write text, in Ollama's own engine (Ollama v0.24.0, model/models)."""

from __future__ import annotations

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.blocks import layer_norm, project
from kdmgr.fit.ollama_engine.blocks import attend, feed, last_rows, make_heads, rotate
from kdmgr.fit.ollama_engine.context import Forward
from kdmgr.fit.ollama_engine.experts import (
    mix_after_softmax,
    mix_before_softmax,
    mix_by_sigmoid,
    mix_weighed_first,
)
from kdmgr.fit.ollama_engine.hybrid import short_convolution
from kdmgr.gguf.weights import LayerTensors


def decoder_layer(f: Forward, value: Tensor, layer: LayerTensors, index: int, *, last: bool) -> Tensor:
    """Attention and feed-forward, each with its norm before, and after where it has one."""
    graph = f.graph
    normed = layer_norm(graph, value, layer, "attn_norm")
    mix = short_convolution if "shortconv.in_proj" in layer else None
    out = mix(f, normed, layer) if mix else _attention(f, normed, layer, index)
    if "post_attention_norm" in layer:
        out = layer_norm(graph, out, layer, "post_attention_norm")
    if last:
        out, value = last_rows(f, out), last_rows(f, value)
    middle = graph.each(out, value)
    out = _feed(f, layer_norm(graph, middle, layer, "ffn_norm"), layer)
    if "post_ffw_norm" in layer:
        out = layer_norm(graph, out, layer, "post_ffw_norm")
    return graph.each(out, middle)


def _attention(f: Forward, value: Tensor, layer: LayerTensors, index: int) -> Tensor:
    graph, architecture = f.graph, f.shape.architecture
    q, k, v = make_heads(f, value, layer, index)
    q, k = rotate(f, q), rotate(f, k)
    if architecture == "gemma3":
        q = graph.each(q)
    if architecture == "mistral3" and f.shape.engine_view.scales_positions:
        q = graph.each(q, f.scales)
    return project(graph, attend(f, (q, k, v), index), layer, "attn_output")


def _feed(f: Forward, value: Tensor, layer: LayerTensors) -> Tensor:
    if "ffn_gate_inp" not in layer or f.shape.experts is None:
        return feed(f, value, layer)
    mix = mix_by_sigmoid if f.shape.architecture == "lfm2moe" else mix_after_softmax
    return mix(f, value, layer, f.shape.experts)


def gptoss_layer(f: Forward, value: Tensor, layer: LayerTensors, index: int, *, last: bool) -> Tensor:
    """gpt-oss adds what a part read within the part, and drops rows once."""
    graph = f.graph
    q, k, v = make_heads(f, layer_norm(graph, value, layer, "attn_norm"), layer, index)
    out = attend(f, (rotate(f, q), rotate(f, k), v), index)
    out = graph.each(project(graph, out, layer, "attn_out" if "attn_out" in layer else "attn_output"), value)
    if last:
        out = last_rows(f, out)
    normed = layer_norm(graph, out, layer, "ffn_norm" if "ffn_norm" in layer else "post_attention_norm")
    assert f.shape.experts is not None
    return graph.each(mix_before_softmax(f, normed, layer, f.shape.experts), out)


def llama4_layer(f: Forward, value: Tensor, layer: LayerTensors, index: int, *, last: bool) -> Tensor:
    """llama 4: norms that cannot overwrite what they read, and a shared expert beside the others."""
    graph = f.graph
    out = _llama4_attention(f, layer_norm_without_bias(f, value), layer, index)
    if last:
        out, value = last_rows(f, out), last_rows(f, value)
    middle = graph.each(out, value)
    normed = layer_norm_without_bias(f, middle)
    if "ffn_gate_inp" in layer and f.shape.experts is not None:
        shared = feed(f, normed, layer, "_shexp")
        out = graph.each(shared, mix_weighed_first(f, normed, layer, f.shape.experts))
    else:
        out = feed(f, normed, layer)
    return graph.each(middle, out)


def _llama4_attention(f: Forward, value: Tensor, layer: LayerTensors, index: int) -> Tensor:
    """Layers that see a chunk only rotate by position, the others scale Q by it."""
    graph = f.graph
    q, k, v = make_heads(f, value, layer, index)
    rotates = f.attention.slides[index]
    if rotates:
        q, k = rotate(f, q), rotate(f, k)
    q, k = graph.each(q), graph.each(k)
    if not rotates:
        q = graph.each(q, f.scales)
    return project(graph, attend(f, (q, k, v), index), layer, "attn_output")


def layer_norm_without_bias(f: Forward, value: Tensor) -> Tensor:
    """`nn.LayerNorm` with a weight only."""
    return f.graph.weighted(f.graph.each(f.graph.op(value.shape, value)))
