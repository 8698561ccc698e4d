"""A whole model's graph: the inputs, a layer of every kind in its place, the output layer."""

from __future__ import annotations

from collections.abc import Sequence

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.blocks import feed_forward, layer_norm, norm, self_attention
from kdmgr.fit.graph.builder import Place
from kdmgr.fit.graph.choosing import choose_layers, layer_kinds
from kdmgr.fit.graph.context import Context, add_positions, embed, last_rows, make_context
from kdmgr.fit.graph.experts import Routing, mix_experts
from kdmgr.fit.graph.gated import gated_attention
from kdmgr.fit.graph.gemma import PerLayerInputs, gemma3n_layers, gemma4_inputs, gemma4_layer, look_up_per_layer
from kdmgr.fit.graph.latent import latent_attention
from kdmgr.fit.graph.recurrent import recurrent_layer
from kdmgr.fit.graph.rwkv import RWKV, rwkv_layers
from kdmgr.fit.graph.traits import find_traits
from kdmgr.fit.options import ResolvedOptions
from kdmgr.gguf.layers import Attention
from kdmgr.gguf.shape import ModelShape
from kdmgr.gguf.weights import LayerTensors


def build_graph(
    shape: ModelShape,
    options: ResolvedOptions,
    attention: Attention,
    n_embd: int,
    places: Sequence[Place],
    layers: Sequence[int] | None = None,
) -> Context:
    """The graph that the engine reserves memory for. `places` tells where each layer and the output layer lie.

    `layers` are those that are built; None for as many as tell the memory.
    """
    context = make_context(shape, options, attention, n_embd, find_traits(shape.architecture))
    # Gemma 4 looks up all it reads of the host before anything else.
    rows = look_up_per_layer(context) if shape.architecture == "gemma4" else None
    features = embed(context)
    value = context.graph.view(features, (n_embd, features.shape[1])) if shape.n_deepstack else features
    if layers is None:
        layers = choose_layers(layer_kinds(shape), places, has_states=shape.recurrent is not None)
    context.graph.place = places[0]
    if shape.architecture == "gemma3n":
        value = gemma3n_layers(context, value, layers, places)
    elif shape.architecture in RWKV:
        value = rwkv_layers(context, value, layers, places)
    else:
        per_layer = gemma4_inputs(context, value, rows) if rows is not None else None
        if context.traits.norms_tokens:
            value = norm(context.graph, value, bias=True)
        if context.traits.adds_positions:
            value = add_positions(context, value)
        if _norms_sums(shape.layers.kinds[0]):
            value = norm(context.graph, context.graph.each(context.graph.each(value)), bias=True)
        for index in layers:
            context.graph.place = places[index]
            value = _layer(context, value, index, per_layer, last=index == layers[-1])
            if index < shape.n_deepstack:
                value = context.graph.each(value, context.graph.view(features, value.shape))
    context.graph.place = places[-1]
    _output(context, value)
    return context


def _output(context: Context, value: Tensor) -> None:
    graph = context.graph
    if any(context.attention.caches) or context.shape.recurrent:
        value = norm(graph, value)
        value = graph.weighted(graph.op((context.shape.n_vocab or 1, value.shape[1]), value))
    graph.expand(value)


def _layer(context: Context, value: Tensor, index: int, per_layer: PerLayerInputs | None, *, last: bool) -> Tensor:
    shape, graph = context.shape, context.graph
    layer = shape.layers.kinds[shape.layers.kind_of[index]]
    if shape.architecture == "gemma4":
        return gemma4_layer(context, value, layer, index, per_layer, routing(context), last=last)
    if context.traits.parallel and (shape.layers.parallel_residual or shape.architecture != "gptneox"):
        return _parallel_layer(context, value, layer, index, last=last)
    if _norms_sums(layer):
        return _post_norm_layer(context, value, layer, index, last=last)
    normed = layer_norm(graph, value, layer, "attn_norm") if "attn_norm" in layer else value
    if (not _attends(context, index) and not _recurs(context, index) and "ffn_down" in layer) or _only_feeds(layer):
        out = _feed(context, normed, layer)
        return graph.each(out, value) if not last else graph.each(last_rows(context, out), last_rows(context, value))
    experts = shape.experts
    logits = None
    if context.traits.early_routing and experts is not None:
        logits = graph.op((experts.n_expert, value.shape[1]), value)
    out = _mix_tokens(context, value, normed, layer, index)
    if last:
        out, value = last_rows(context, out), last_rows(context, value)
        logits = logits and last_rows(context, logits)
    after = _norm_after_attention(layer)
    if after:
        out = layer_norm(graph, out, layer, after)
    middle = _add(context, out, value, context.traits.residual_first in ("attention", "both"))
    if "ffn_norm_exps" in layer:
        return _feed_beside_experts(context, value, middle, layer)
    return _feed_layer(context, middle, layer, logits)


def _add(context: Context, out: Tensor, residual: Tensor, residual_first: bool) -> Tensor:
    """The residual connection. Which side comes first decides whose memory is reused."""
    return context.graph.each(residual, out) if residual_first else context.graph.each(out, residual)


def _only_feeds(layer: LayerTensors) -> bool:
    """A layer without attention or state (nemotron-h): the norm is the feed-forward's."""
    return not any(name in layer for name in ("attn_output", "ssm_out", "shortconv.out_proj"))


def _attends(context: Context, index: int) -> bool:
    return context.attention.caches[index] or not any(context.attention.caches)


def _recurs(context: Context, index: int) -> bool:
    state = context.shape.recurrent
    return state is not None and state.layers[index]


def _norms_sums(layer: LayerTensors) -> bool:
    """Whether the sum of a part and its input is normalised, instead of the part's input (BERT)."""
    return "attn_output_norm" in layer and "attn_norm" not in layer


_ATTENTION_NORMS = ("post_attention_norm", "attn_output_norm")


def _norm_after_attention(layer: LayerTensors) -> str | None:
    """The norm that follows attention; without a norm of its own, the feed-forward takes that name."""
    if "attn_norm" in layer and "ffn_norm" not in layer:
        return None
    return next((name for name in _ATTENTION_NORMS if name in layer), None)


def _norm_before_feed(layer: LayerTensors) -> str | None:
    names = ("ffn_norm", *_ATTENTION_NORMS) if "attn_norm" in layer else ("ffn_norm",)
    return next((name for name in names if name in layer), None)


def _mix_tokens(context: Context, value: Tensor, normed: Tensor, layer: LayerTensors, index: int) -> Tensor:
    """Attention, recurrence or both."""
    graph = context.graph
    if not _recurs(context, index):
        return _attention(context, normed, layer, index)
    if not context.attention.caches[index]:
        return recurrent_layer(context, normed, layer)
    attended = _attention(context, normed, layer, index)
    again = layer_norm(graph, value, layer, "attn_norm")
    return graph.each(attended, recurrent_layer(context, again, layer))


def _attention(context: Context, normed: Tensor, layer: LayerTensors, index: int) -> Tensor:
    if "attn_kv_a_mqa" in layer:
        return latent_attention(context, normed, layer, index)
    if context.shape.architecture in ("qwen3next", "qwen35", "qwen35moe", "afmoe"):
        return gated_attention(context, normed, layer, index)
    return self_attention(context, normed, layer, index)


def _feed_layer(context: Context, middle: Tensor, layer: LayerTensors, logits: Tensor | None) -> Tensor:
    graph = context.graph
    if not any(name in layer for name in ("ffn_down", "ffn_down_exps")):
        return middle
    before = _norm_before_feed(layer)
    normed = layer_norm(graph, middle, layer, before) if before else middle
    out = _feed(context, normed, layer, logits)
    for name in ("post_ffw_norm", "layer_output_norm"):
        if name in layer:
            out = layer_norm(graph, out, layer, name)
    return _add(context, out, middle, context.traits.residual_first in ("feed-forward", "both"))


def _feed_beside_experts(context: Context, value: Tensor, middle: Tensor, layer: LayerTensors) -> Tensor:
    """Experts that read the layer's input, beside a dense feed-forward (arctic.cpp)."""
    graph = context.graph
    dense = graph.each(feed_forward(context, layer_norm(graph, middle, layer, "ffn_norm"), layer), middle)
    normed = layer_norm(graph, value, layer, "ffn_norm_exps")
    return graph.each(mix_experts(graph, normed, layer, routing(context)), dense)


def _parallel_layer(context: Context, value: Tensor, layer: LayerTensors, index: int, *, last: bool) -> Tensor:
    graph, order = context.graph, context.traits.parallel
    normed = layer_norm(graph, value, layer, "attn_norm")
    out = self_attention(context, normed, layer, index)
    if last:
        out, value, normed = (last_rows(context, part) for part in (out, value, normed))
    if "ffn_norm" in layer:
        normed = layer_norm(graph, value, layer, "ffn_norm")
    hidden = feed_forward(context, normed, layer)
    if order == "attention":
        return graph.each(graph.each(out, hidden), value)
    if order == "feed-forward":
        return graph.each(graph.each(hidden, out), value)
    return graph.each(graph.each(hidden, value), out)


def _post_norm_layer(context: Context, value: Tensor, layer: LayerTensors, index: int, *, last: bool) -> Tensor:
    """BERT: each part is added to its input first, and then normalised."""
    graph = context.graph
    out = self_attention(context, value, layer, index)
    if last:
        out, value = last_rows(context, out), last_rows(context, value)
    middle = layer_norm(graph, graph.each(out, value), layer, "attn_output_norm")
    return layer_norm(graph, graph.each(_feed(context, middle, layer), middle), layer, "layer_output_norm")


def _feed(context: Context, value: Tensor, layer: LayerTensors, logits: Tensor | None = None) -> Tensor:
    graph = context.graph
    if "ffn_down_exps" not in layer:
        return feed_forward(context, value, layer)
    out = mix_experts(graph, value, layer, routing(context), logits)
    if "ffn_down" in layer:
        # A dense feed-forward beside the experts (grok.cpp).
        return graph.each(graph.each(feed_forward(context, value, layer), out))
    if "ffn_down_shexp" not in layer:
        return out
    shared = feed_forward(context, value, layer, "_shexp")
    if context.traits.gates_shared:
        shared = graph.each(shared, graph.each(graph.op((1, value.shape[1]), value)))
    return graph.each(out, shared)


def routing(context: Context) -> Routing:
    """How the model sends tokens to experts: the header's word where the architecture leaves it open."""
    experts, traits = context.shape.experts, context.traits
    if experts is None:
        return Routing(0, 0)
    normalises = experts.normalises if traits.norm_weights is None else traits.norm_weights
    return Routing(
        n_expert=experts.n_expert,
        n_expert_used=experts.n_expert_used,
        gating=traits.gating,
        norm_weights=normalises,
        scale_weights=experts.scales,
        n_group=experts.n_group,
        n_group_used=experts.n_group_used,
        weigh_first=traits.weigh_first,
        squared=traits.squared,
    )
