"""Gemma 3n and Gemma 4 in Ollama's own engine (Ollama v0.24.0, model/models/gemma3n and gemma4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.blocks import layer_norm, norm, project
from kdmgr.fit.graph.builder import Graph, Place
from kdmgr.fit.ollama_engine.blocks import attend, feed, last_rows, make_heads, rotate
from kdmgr.fit.ollama_engine.context import Forward
from kdmgr.fit.ollama_engine.experts import mix_after_softmax
from kdmgr.gguf.weights import LayerTensors

# gemma3n: streams side by side (`altup.num_inputs`), and layers whose feed-forward is thinned out.
_N_STREAMS, _SPARSE_LAYERS = 4, 10


@dataclass(frozen=True, slots=True)
class PerLayerInputs:
    """One small vector per token and layer, all computed before the first layer."""

    values: Tensor

    def slice(self, f: Forward) -> Tensor:
        """The vectors of one layer."""
        return f.graph.view(self.values, (self.values.shape[0], f.n_tokens))


def look_up_per_layer(f: Forward, value: Tensor, output: Place) -> PerLayerInputs | None:
    """`PerLayerProjector`, which lies where the output layer does; None for a model without."""
    graph, first = f.graph, f.shape.layers.kinds[0]
    width = first.rows("inp_gate")
    if not width:
        return None
    shape = (width, f.shape.n_layer, f.n_tokens)
    rows = graph.op((width * f.shape.n_layer, f.n_tokens), f.tokens)
    rows.place = output.device
    before, graph.place = graph.place, output
    projected = norm(graph, graph.view(graph.each(project(graph, value, first, "per_layer_model_proj")), shape))
    graph.place = before
    return PerLayerInputs(graph.each(graph.each(projected, graph.view(graph.each(rows), shape))))


def gemma4_layer(
    f: Forward, value: Tensor, layer: LayerTensors, index: int, inputs: PerLayerInputs | None, *, last: bool
) -> Tensor:
    """Attention, one or two feed-forwards, the layer's own input."""
    graph = f.graph
    out = _attention(f, layer_norm(graph, value, layer, "attn_norm"), layer, index)
    out = layer_norm(graph, out, layer, "post_attention_norm")
    mine = inputs.slice(f) if inputs else None
    if last:
        out, value, mine = last_rows(f, out), last_rows(f, value), mine and last_rows(f, mine)
    middle = graph.each(out, value)
    out = layer_norm(graph, _feed(f, middle, layer), layer, "post_ffw_norm")
    out = graph.each(out, middle)
    if mine is not None:
        gated = project(graph, out, layer, "inp_gate")
        gated = project(graph, graph.op(gated.shape, gated, mine), layer, "proj")
        out = graph.each(out, layer_norm(graph, gated, layer, "post_norm"))
    return graph.weighted(graph.each(out)) if "layer_output_scale" in layer else out


def _feed(f: Forward, middle: Tensor, layer: LayerTensors) -> Tensor:
    graph = f.graph
    out = feed(f, layer_norm(graph, middle, layer, "ffn_norm"), layer)
    if "ffn_down_exps" not in layer or f.shape.experts is None:
        return out
    out = layer_norm(graph, out, layer, "post_ffw_norm_1")
    router = graph.weighted(graph.each(graph.each(graph.each(middle))))
    logits = project(graph, router, layer, "ffn_gate_inp")
    value = layer_norm(graph, middle, layer, "pre_ffw_norm_2")
    mixed = mix_after_softmax(f, value, layer, f.shape.experts, logits)
    return graph.each(out, layer_norm(graph, mixed, layer, "post_ffw_norm_2"))


def _attention(f: Forward, value: Tensor, layer: LayerTensors, index: int) -> Tensor:
    """V is normalised too, and is K where it has no weights; layers without a cache read another's."""
    graph, a = f.graph, f.attention
    if a.caches[index]:
        q, k, v = make_heads(f, value, layer, index)
        q, out = rotate(f, q), attend(f, (rotate(f, q), rotate(f, k), graph.each(v)), index)
    else:
        q = graph.view(project(graph, value, layer, "attn_q"), (a.n_embd_head_k[index], a.n_head[index], f.n_tokens))
        out = attend(f, (rotate(f, layer_norm(graph, q, layer, "attn_q_norm")), None, None), index)
    return project(graph, out, layer, "attn_output")


def gemma3n_layers(f: Forward, value: Tensor, layers: Sequence[int], places: Sequence[Place]) -> Tensor:
    """Four streams side by side, of which one passes each layer and corrects the others."""
    graph = f.graph
    inputs = look_up_per_layer(f, value, places[-1])
    assert inputs is not None
    streams = _split(f, value, places[-1])
    for index in layers:
        graph.place = places[index]
        streams = _stream_layer(f, streams, f.shape.layers.kinds[f.shape.layers.kind_of[index]], index, inputs)
    graph.place = places[-1]
    return _join(f, streams)


def _split(f: Forward, value: Tensor, output: Place) -> Tensor:
    graph = f.graph
    graph.place = output
    magnitude = _repeat(graph, _magnitude(graph, value), _N_STREAMS - 1)
    others = (f.n_embd, f.n_tokens, _N_STREAMS - 1)
    added = graph.weighted(graph.op(others, graph.op(others, value)))
    added = graph.each(added, graph.each(magnitude, _magnitude(graph, added)))
    return graph.op((f.n_embd, f.n_tokens, _N_STREAMS), value, added)


def _join(f: Forward, streams: Tensor) -> Tensor:
    graph, n_embd, n = f.graph, f.n_embd, f.n_tokens
    first = graph.view(streams, (n_embd, n))
    magnitude = _repeat(graph, _magnitude(graph, first), _N_STREAMS - 1)
    others = (n_embd, n, _N_STREAMS - 1)
    merged = graph.weighted(graph.op(others, graph.view(streams, others)))
    merged = graph.each(merged, graph.each(magnitude, _magnitude(graph, merged)))
    joined = graph.op(streams.shape, first, merged)
    turned = graph.op((_N_STREAMS, n_embd, n), graph.view(joined, (_N_STREAMS, n_embd, n)))
    mean = graph.op((1, n_embd, n), turned)
    return last_rows(f, graph.op((n_embd, n), graph.view(mean, (n_embd, n))))


def _magnitude(graph: Graph, value: Tensor) -> Tensor:
    return graph.each(graph.op((1, *value.shape[1:]), graph.each(value)))


def _repeat(graph: Graph, value: Tensor, count: int) -> Tensor:
    return graph.op((*value.shape, count), value)


def _stream_layer(f: Forward, streams: Tensor, layer: LayerTensors, index: int, inputs: PerLayerInputs) -> Tensor:
    graph, n_embd, n = f.graph, f.n_embd, f.n_tokens
    predictions = _predict(f, streams, layer)
    active = graph.view(predictions, (n_embd, n))
    normed = layer_norm(graph, active, layer, "attn_norm")
    laurel = project(graph, project(graph, normed, layer, "laurel_l"), layer, "laurel_r")
    laurel = graph.each(layer_norm(graph, laurel, layer, "laurel_post_norm"), normed)
    out = layer_norm(graph, _attention(f, normed, layer, index), layer, "post_attention_norm")
    middle = graph.each(graph.each(graph.each(active, out), laurel))
    out = _sparse_feed(f, layer_norm(graph, middle, layer, "ffn_norm"), layer, index)
    out = graph.each(middle, layer_norm(graph, out, layer, "post_ffw_norm"))
    corrected = _correct(f, predictions, out, layer)
    first = project(graph, graph.view(corrected, (n_embd, n)), layer, "inp_gate")
    first = project(graph, graph.op(first.shape, first, inputs.slice(f)), layer, "proj")
    first = layer_norm(graph, first, layer, "post_norm")
    rest = graph.each(graph.view(corrected, (n_embd, n, _N_STREAMS - 1)), first)
    return graph.op(streams.shape, graph.view(corrected, (n_embd, n)), rest)


def _sparse_feed(f: Forward, value: Tensor, layer: LayerTensors, index: int) -> Tensor:
    graph, row = f.graph, (1, f.n_tokens)
    up = project(graph, value, layer, "ffn_up")
    gate = project(graph, value, layer, "ffn_gate")
    if index < _SPARSE_LAYERS:
        mean, offset = graph.op(row, gate), graph.each(graph.op(row, gate))
        variance = graph.each(graph.op(row, graph.each(graph.each(gate, offset))))
        cutoff = graph.each(mean, graph.each(graph.each(variance)))
        gate = graph.each(gate, cutoff)
        gate = graph.view(gate, gate.shape)
    return project(graph, graph.op(up.shape, gate, up), layer, "ffn_down")


def _route(f: Forward, value: Tensor, layer: LayerTensors) -> Tensor:
    graph = f.graph
    routed = project(graph, graph.each(norm(graph, value)), layer, "altup_router")
    return graph.view(routed, routed.shape)


def _predict(f: Forward, streams: Tensor, layer: LayerTensors) -> Tensor:
    graph, n_embd, n = f.graph, f.n_embd, f.n_tokens
    modalities = _route(f, graph.view(streams, (n_embd, n)), layer)
    coefficients = project(graph, modalities, layer, "altup_predict_coef")
    coefficients = graph.view(coefficients, (_N_STREAMS, _N_STREAMS, n))
    turned = graph.op((_N_STREAMS, n_embd, n), graph.view(streams, (_N_STREAMS, n_embd, n)))
    predicted = graph.op((_N_STREAMS, n_embd, n), coefficients, turned)
    predicted = graph.op(streams.shape, graph.view(predicted, streams.shape))
    return graph.each(predicted, streams)


def _correct(f: Forward, predictions: Tensor, activated: Tensor, layer: LayerTensors) -> Tensor:
    graph, n_embd, n = f.graph, f.n_embd, f.n_tokens
    innovation = graph.each(activated, graph.view(predictions, (n_embd, n)))
    innovation = _repeat(graph, innovation, _N_STREAMS)
    coefficients = graph.each(project(graph, _route(f, activated, layer), layer, "altup_correct_coef"))
    coefficients = graph.op((1, n, _N_STREAMS), graph.view(coefficients, (1, n, _N_STREAMS)))
    return graph.each(graph.each(innovation, coefficients), predictions)
