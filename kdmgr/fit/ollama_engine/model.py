"""A whole model's graph in Ollama's own engine (Ollama v0.24.0, model/models: each architecture's `Forward`)."""

from __future__ import annotations

from collections.abc import Sequence

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.blocks import norm
from kdmgr.fit.graph.builder import Place
from kdmgr.fit.graph.choosing import choose_layers
from kdmgr.fit.ollama_engine.blocks import embed
from kdmgr.fit.ollama_engine.context import EngineGraph, Forward, begin
from kdmgr.fit.ollama_engine.decoders import decoder_layer, gptoss_layer, layer_norm_without_bias, llama4_layer
from kdmgr.fit.ollama_engine.encoders import encode
from kdmgr.fit.ollama_engine.gemma import gemma3n_layers, gemma4_layer, look_up_per_layer
from kdmgr.fit.options import ResolvedOptions
from kdmgr.gguf.shape import ModelShape

_DECODERS = {
    "gemma3": decoder_layer,
    "gpt-oss": gptoss_layer,
    "gptoss": gptoss_layer,
    "lfm2": decoder_layer,
    "lfm2moe": decoder_layer,
    "llama4": llama4_layer,
    "mistral3": decoder_layer,
    "qwen25vl": decoder_layer,
    "qwen3": decoder_layer,
    "qwen3moe": decoder_layer,
    "qwen3vl": decoder_layer,
    "qwen3vlmoe": decoder_layer,
}
_ENCODERS = ("bert", "nomic-bert")
# Image features may be written over the looked up rows, which are copied for that.
_COPIES_INPUT = ("llama4", "mistral3", "qwen25vl", "qwen3vl", "qwen3vlmoe")
_SCALES_INPUT = ("gemma3", "gemma3n", "gemma4")


def build_graph(shape: ModelShape, options: ResolvedOptions, places: Sequence[Place]) -> EngineGraph | None:
    """The graph that the engine reserves memory for; None where it is not known.

    `places` tells where each layer and the output layer lie.
    """
    known = shape.architecture in (*_DECODERS, *_ENCODERS, "gemma3n", "gemma4")
    if not known or shape.attention is None or shape.n_embd is None:
        return None
    f = begin(shape, options, shape.attention, shape.n_embd)
    layers = choose_layers(_kinds(shape), places, has_states=shape.recurrent is not None, settles_late=True)
    f.graph.place = places[0]
    if shape.architecture in _ENCODERS:
        f.graph.expand(encode(f, layers, places))
        return f.graph
    value = embed(f, copied=shape.architecture in _COPIES_INPUT)
    if shape.architecture in _SCALES_INPUT:
        value = f.graph.each(value)
    if shape.engine_view.vision is not None:
        # The image's vectors are written over some of the tokens'.
        f.graph.expand(f.graph.write(f.graph.view(value, value.shape), f.graph.input(value.shape)))
    value = _layers(f, value, layers, places)
    f.graph.place = places[-1]
    value = layer_norm_without_bias(f, value) if shape.architecture == "llama4" else norm(f.graph, value)
    f.graph.expand(f.graph.weighted(f.graph.op((shape.n_vocab or 1, f.n_outputs), value)))
    return f.graph


def _layers(f: Forward, value: Tensor, layers: Sequence[int], places: Sequence[Place]) -> Tensor:
    architecture, kinds = f.shape.architecture, f.shape.layers
    if architecture == "gemma3n":
        return gemma3n_layers(f, value, layers, places)
    inputs = look_up_per_layer(f, value, places[-1]) if architecture == "gemma4" else None
    for index in layers:
        f.graph.place = places[index]
        tensors, last = kinds.kinds[kinds.kind_of[index]], index == layers[-1]
        if architecture == "gemma4":
            value = gemma4_layer(f, value, tensors, index, inputs, last=last)
        else:
            value = _DECODERS[architecture](f, value, tensors, index, last=last)
    return value


def _kinds(shape: ModelShape) -> list[int]:
    """Numbers that tell kinds of layers apart: by tensors, window and cache."""
    a, kind_of = shape.attention, shape.layers.kind_of
    if a is None:
        return list(kind_of)
    return [4 * kind + 2 * a.slides[layer] + a.caches[layer] for layer, kind in enumerate(kind_of)]
