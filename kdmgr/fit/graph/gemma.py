"""Gemma 3n and Gemma 4: inputs for each layer, alternating updates (llama.cpp: gemma3n.cpp, gemma4.cpp)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kdmgr.fit.graph.allocator import HOST, Tensor
from kdmgr.fit.graph.blocks import attend, feed_forward, layer_norm, norm, project
from kdmgr.fit.graph.builder import I32, Graph, Place
from kdmgr.fit.graph.context import Context, last_rows
from kdmgr.fit.graph.experts import Routing, mix_experts
from kdmgr.gguf.weights import LayerTensors

# gemma3n.cpp: n_altup, n_layer_sparsity.
_N_ALTUP, _SPARSE_LAYERS = 4, 10


@dataclass(frozen=True, slots=True)
class PerLayerInputs:
    """One small vector per token and layer, all computed before the first layer."""

    values: Tensor
    width: int

    @classmethod
    def build(cls, context: Context, value: Tensor, rows: Tensor) -> PerLayerInputs:
        """`project_per_layer_inputs`, from the looked up `rows`, which are scaled (width, n_layer, n_tokens)."""
        graph, (width, n_layer, n) = context.graph, rows.shape
        projected = graph.each(project(graph, value, context.shape.layers.kinds[0], "per_layer_model_proj"))
        projected = norm(graph, graph.view(projected, rows.shape))
        total = graph.each(graph.each(projected, rows))
        return cls(graph.op((width, n, n_layer), graph.view(total, (width, n, n_layer))), width)

    def slice(self, context: Context) -> Tensor:
        """The vectors of one layer."""
        return context.graph.view(self.values, (self.width, context.batch.n_tokens))


def look_up_per_layer(context: Context) -> Tensor | None:
    """The rows of the table of inputs per layer, before they are scaled; None for a model without."""
    graph, n = context.graph, context.batch.n_tokens
    width = context.shape.layers.kinds[0].rows("inp_gate")
    if not width:
        return None
    rows = graph.op((width * context.shape.n_layer, n), graph.input((n,), I32))
    # The table they come from stays in host memory.
    rows.place = HOST
    graph.expand(rows)
    return rows


def gemma4_inputs(context: Context, value: Tensor, rows: Tensor) -> PerLayerInputs:
    """Gemma 4 scales the rows where they are used, which may be on a device."""
    width = context.shape.layers.kinds[0].rows("inp_gate")
    scaled = context.graph.view(context.graph.each(rows), (width, context.shape.n_layer, context.batch.n_tokens))
    return PerLayerInputs.build(context, value, scaled)


def _gemma3n_inputs(context: Context, value: Tensor) -> PerLayerInputs:
    """Gemma 3n scales the rows at once."""
    graph, rows = context.graph, look_up_per_layer(context)
    assert rows is not None
    width = context.shape.layers.kinds[0].rows("inp_gate")
    scaled = graph.each(graph.view(rows, (width, context.shape.n_layer, context.batch.n_tokens)))
    graph.expand(scaled)
    return PerLayerInputs.build(context, value, scaled)


def gemma4_layer(
    context: Context,
    value: Tensor,
    layer: LayerTensors,
    index: int,
    per_layer: PerLayerInputs | None,
    routing: Routing,
    *,
    last: bool,
) -> Tensor:
    """Gemma 4: attention without scale, one or two feed-forwards, the layer's own input."""
    graph = context.graph
    out = _attention(context, layer_norm(graph, value, layer, "attn_norm"), layer, index)
    if last:
        out, value = last_rows(context, out), last_rows(context, value)
    middle = graph.each(layer_norm(graph, out, layer, "post_attention_norm"), value)
    out = _feed(context, middle, layer, routing)
    out = graph.each(layer_norm(graph, out, layer, "post_ffw_norm"), middle)
    if per_layer is not None:
        gated = graph.each(project(graph, out, layer, "inp_gate"))
        mine = per_layer.slice(context)
        gated = graph.each(gated, last_rows(context, mine) if last else mine)
        out = graph.each(out, layer_norm(graph, project(graph, gated, layer, "proj"), layer, "post_norm"))
    return graph.each(out) if "layer_output_scale" in layer else out


def _attention(context: Context, value: Tensor, layer: LayerTensors, index: int) -> Tensor:
    graph, n, heads = context.graph, context.batch.n_tokens, context.heads(index)
    q = graph.view(project(graph, value, layer, "attn_q"), (heads.k, heads.n_head, n))
    q = graph.each(layer_norm(graph, q, layer, "attn_q_norm"), context.positions)
    k = v = None
    if context.attention.caches[index]:
        raw = project(graph, value, layer, "attn_k")
        raw_v = project(graph, value, layer, "attn_v") if "attn_v" in layer else raw
        k = layer_norm(graph, graph.view(raw, (heads.k, heads.n_head_kv, n)), layer, "attn_k_norm")
        v = graph.each(graph.view(raw_v, (heads.v, heads.n_head_kv, n)))
        k = graph.each(k, context.positions)
    out = attend(context, (q, k, v), context.cache(index), heads)
    return project(graph, out, layer, "attn_output")


def _feed(context: Context, middle: Tensor, layer: LayerTensors, routing: Routing) -> Tensor:
    graph = context.graph
    out = feed_forward(context, layer_norm(graph, middle, layer, "ffn_norm"), layer)
    if "ffn_down_exps" not in layer:
        return out
    out = layer_norm(graph, out, layer, "post_ffw_norm_1")
    value = layer_norm(graph, middle, layer, "pre_ffw_norm_2")
    router = graph.each(graph.each(graph.each(middle)))
    logits = graph.op((routing.n_expert, middle.shape[1]), router)
    mixed = mix_experts(graph, value, layer, replace(routing, norm_weights=True), logits)
    return graph.each(out, layer_norm(graph, mixed, layer, "post_ffw_norm_2"))


def gemma3n_layers(context: Context, value: Tensor, layers: Sequence[int], places: Sequence[Place]) -> Tensor:
    """Gemma 3n: four streams side by side, of which one passes each layer and corrects the others."""
    graph = context.graph
    per_layer = _gemma3n_inputs(context, value)
    streams = _split_streams(context, value)
    for index in layers:
        kinds = context.shape.layers
        graph.place = places[index]
        streams = _altup_layer(context, streams, kinds.kinds[kinds.kind_of[index]], index, per_layer)
    return _join_streams(context, streams)


def _split_streams(context: Context, value: Tensor) -> Tensor:
    graph, n_embd, n = context.graph, context.n_embd, context.batch.n_tokens
    magnitude = _magnitude(graph, value)
    others = (n_embd, n, _N_ALTUP - 1)
    added = graph.op(others, graph.op(others, value))
    new = _magnitude(graph, added)
    added = graph.each(graph.each(added, magnitude), new)
    return graph.op((n_embd, n, _N_ALTUP), value, added)


def _magnitude(graph: Graph, value: Tensor) -> Tensor:
    squares = graph.each(value)
    return graph.each(graph.op((1, *value.shape[1:]), squares))


def _altup_layer(
    context: Context, streams: Tensor, layer: LayerTensors, index: int, per_layer: PerLayerInputs
) -> Tensor:
    graph, n_embd, n = context.graph, context.n_embd, context.batch.n_tokens
    predictions = _predict(context, streams, layer)
    active = graph.view(predictions, (n_embd, n))
    normed = layer_norm(graph, active, layer, "attn_norm")
    laurel = project(graph, project(graph, normed, layer, "laurel_l"), layer, "laurel_r")
    laurel = graph.each(layer_norm(graph, laurel, layer, "laurel_post_norm"), normed)
    out = layer_norm(graph, _attention(context, normed, layer, index), layer, "post_attention_norm")
    middle = graph.each(graph.each(graph.each(out, active), laurel))
    out = _sparse_feed(context, layer_norm(graph, middle, layer, "ffn_norm"), layer, index)
    out = graph.each(layer_norm(graph, out, layer, "post_ffw_norm"), middle)
    corrected = _correct(context, predictions, out, layer)
    first = graph.weighted(graph.each(graph.view(corrected, (n_embd, n))))
    first = graph.each(project(graph, first, layer, "inp_gate"))
    first = project(graph, graph.each(first, per_layer.slice(context)), layer, "proj")
    first = layer_norm(graph, first, layer, "post_norm")
    rest = graph.each(graph.view(corrected, (n_embd, n, _N_ALTUP - 1)), first)
    return graph.op(streams.shape, graph.view(corrected, (n_embd, n)), rest)


def _sparse_feed(context: Context, value: Tensor, layer: LayerTensors, index: int) -> Tensor:
    graph, n = context.graph, context.batch.n_tokens
    up = project(graph, value, layer, "ffn_up")
    gate = project(graph, value, layer, "ffn_gate")
    if index < _SPARSE_LAYERS:
        mean = graph.op((1, n), gate)
        deviation = graph.op((1, n), graph.each(graph.each(gate, mean)))
        cutoff = graph.each(mean, graph.each(graph.each(graph.each(deviation))))
        gate = graph.each(graph.each(gate, cutoff))
    return project(graph, graph.each(up, graph.each(gate)), layer, "ffn_down")


def _router(context: Context, value: Tensor, layer: LayerTensors) -> Tensor:
    graph = context.graph
    scaled = graph.each(norm(graph, value))
    return graph.each(project(graph, scaled, layer, "altup_router"))


def _predict(context: Context, streams: Tensor, layer: LayerTensors) -> Tensor:
    graph, n_embd, n = context.graph, context.n_embd, context.batch.n_tokens
    modalities = _router(context, graph.view(streams, (n_embd, n)), layer)
    coefficients = graph.view(project(graph, modalities, layer, "altup_predict_coef"), (_N_ALTUP, _N_ALTUP, n))
    permuted = graph.op((_N_ALTUP, n_embd, n), graph.view(streams, (_N_ALTUP, n_embd, n)))
    predicted = graph.op((n_embd, _N_ALTUP, n), permuted, coefficients)
    predicted = graph.op(streams.shape, graph.view(predicted, streams.shape))
    return graph.each(predicted, streams)


def _correct(context: Context, predictions: Tensor, activated: Tensor, layer: LayerTensors) -> Tensor:
    graph, n_embd, n = context.graph, context.n_embd, context.batch.n_tokens
    modalities = _router(context, activated, layer)
    innovation = graph.each(activated, graph.view(predictions, (n_embd, n)))
    coefficients = graph.each(project(graph, modalities, layer, "altup_correct_coef"))
    coefficients = graph.op((1, n, _N_ALTUP), graph.view(coefficients, (n, _N_ALTUP)))
    spread = graph.op(predictions.shape, innovation)
    return graph.each(graph.each(spread, coefficients), predictions)


def _join_streams(context: Context, streams: Tensor) -> Tensor:
    graph, n_embd, n = context.graph, context.n_embd, context.batch.n_tokens
    magnitude = _magnitude(graph, graph.view(streams, (n_embd, n)))
    others = (n_embd, n, _N_ALTUP - 1)
    merged = graph.op(others, graph.view(streams, others))
    new = _magnitude(graph, merged)
    merged = graph.each(graph.each(merged, magnitude), new)
    value = graph.view(streams, (n_embd, n))
    for _ in range(_N_ALTUP - 1):
        value = graph.each(value, graph.view(merged, (n_embd, n)))
    return last_rows(context, graph.each(value))
