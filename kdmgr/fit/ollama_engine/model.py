"""A whole model's graph in Ollama's own engine (Ollama v0.24.0, model/models: each architecture's `Forward`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.blocks import layer_norm, norm, project
from kdmgr.fit.graph.builder import Place
from kdmgr.fit.graph.choosing import choose_layers
from kdmgr.fit.ollama_engine.blocks import attend, embed, feed, last_rows, make_heads, rotate
from kdmgr.fit.ollama_engine.context import EngineGraph, Forward, begin
from kdmgr.fit.ollama_engine.experts import mix_after_softmax, mix_before_softmax
from kdmgr.fit.options import ResolvedOptions
from kdmgr.gguf.shape import ModelShape
from kdmgr.gguf.weights import LayerTensors

Layer = Callable[[Forward, Tensor, LayerTensors, int, bool], Tensor]
"""One layer: its input, its tensors, its index, and whether it is the last."""


def build_graph(shape: ModelShape, options: ResolvedOptions, places: Sequence[Place]) -> EngineGraph | None:
    """The graph that the engine reserves memory for; None for an architecture whose graph is not known.

    `places` tells where each layer and the output layer lie.
    """
    layer = _LAYERS.get(shape.architecture)
    if layer is None or shape.attention is None or shape.n_embd is None or shape.engine_view.sees:
        return None
    f = begin(shape, options, shape.attention, shape.n_embd)
    f.graph.place = places[0]
    value = embed(f, copied=shape.architecture in _COPIES_INPUT)
    if shape.architecture == "gemma3":
        value = f.graph.each(value)
    chosen = choose_layers(_kinds(shape), places, has_states=shape.recurrent is not None, settles_late=True)
    for index in chosen:
        f.graph.place = places[index]
        tensors = shape.layers.kinds[shape.layers.kind_of[index]]
        value = layer(f, value, tensors, index, index == chosen[-1])
    f.graph.place = places[-1]
    value = norm(f.graph, value)
    f.graph.expand(f.graph.weighted(f.graph.op((shape.n_vocab or 1, f.n_outputs), value)))
    return f.graph


def _kinds(shape: ModelShape) -> list[int]:
    slides = shape.attention.slides if shape.attention else ()
    return [2 * kind + slides[layer] for layer, kind in enumerate(shape.layers.kind_of)]


def _decoder_layer(f: Forward, value: Tensor, layer: LayerTensors, index: int, last: bool) -> Tensor:
    """Attention and feed-forward, each with its norm before, and after where it has one."""
    graph = f.graph
    out = _attention(f, layer_norm(graph, value, layer, "attn_norm"), layer, index)
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
    if "ffn_gate_inp" in layer and f.shape.experts is not None:
        return mix_after_softmax(f, value, layer, f.shape.experts)
    return feed(f, value, layer)


def _gptoss_layer(f: Forward, value: Tensor, layer: LayerTensors, index: int, last: bool) -> Tensor:
    """gpt-oss adds what a part read within the part, and drops rows once."""
    graph = f.graph
    q, k, v = make_heads(f, layer_norm(graph, value, layer, "attn_norm"), layer, index)
    out = attend(f, (rotate(f, q), rotate(f, k), v), index, index % 2)
    out = graph.each(project(graph, out, layer, "attn_out" if "attn_out" in layer else "attn_output"), value)
    if last:
        out = last_rows(f, out)
    normed = layer_norm(graph, out, layer, "ffn_norm" if "ffn_norm" in layer else "post_attention_norm")
    assert f.shape.experts is not None
    return graph.each(mix_before_softmax(f, normed, layer, f.shape.experts), out)


_LAYERS: dict[str, Layer] = {
    "gemma3": _decoder_layer,
    "gpt-oss": _gptoss_layer,
    "gptoss": _gptoss_layer,
    "mistral3": _decoder_layer,
    "qwen25vl": _decoder_layer,
    "qwen3": _decoder_layer,
    "qwen3moe": _decoder_layer,
    "qwen3vl": _decoder_layer,
    "qwen3vlmoe": _decoder_layer,
}
# Image features may be written over the looked up rows, which are copied for that.
_COPIES_INPUT = ("llama4", "mistral3", "qwen25vl", "qwen3vl", "qwen3vlmoe")
