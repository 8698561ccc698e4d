"""RWKV 6 and 7, and models converted to them: time mixing over a state, channel mixing.

Sources: llama.cpp, src/models/rwkv6-base.cpp, rwkv7-base.cpp, rwkv6.cpp, rwkv7.cpp, rwkv6qwen2.cpp, arwkv7.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.blocks import feed_forward, layer_norm, norm, project
from kdmgr.fit.graph.builder import Place
from kdmgr.fit.graph.context import Context, last_rows
from kdmgr.fit.graph.recurrent import load_state
from kdmgr.gguf.weights import LayerTensors

RWKV = ("rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7")


def rwkv_layers(context: Context, value: Tensor, layers: Sequence[int], places: Sequence[Place]) -> Tensor:
    """All layers; those of RWKV 7 read what the first made of its values."""
    graph, kinds = context.graph, context.shape.layers
    if "channel_mix_key" in kinds.kinds[0]:
        value = norm(graph, value, bias=True)
    first_values: list[Tensor] = []
    for index in layers:
        graph.place = places[index]
        layer = kinds.kinds[kinds.kind_of[index]]
        mix = _mix_channels if "channel_mix_key" in layer else _feed
        value = mix(context, value, layer, first_values, last=index == layers[-1])
    return value


def _by_sequence(context: Context, value: Tensor) -> Tensor:
    batch = context.batch
    return context.graph.view(value, (context.n_embd, batch.per_seq, batch.n_seqs))


def _load_shift(context: Context) -> Tensor:
    """The last token of each sequence, once for each part of a layer that looks back at it."""
    state = context.shape.recurrent
    assert state is not None, "RWKV without a state"
    return load_state(context, state.n_embd_r)


def _shift(context: Context, before: Tensor, value: Tensor) -> Tensor:
    """Each token's predecessor."""
    graph, batch = context.graph, context.batch
    tokens = (context.n_embd, batch.per_seq, batch.n_seqs)
    newer = graph.view(value, (context.n_embd, batch.per_seq - 1, batch.n_seqs))
    return graph.op(tokens, graph.view(before, (context.n_embd, 1, batch.n_seqs)), newer)


def _mix_time(context: Context, value: Tensor, shifted: Tensor, layer: LayerTensors, first: list[Tensor]) -> Tensor:
    if "time_mix_a1" in layer:
        return _mix_time_7(context, value, shifted, layer, first)
    return _mix_time_6(context, value, shifted, layer)


def _mix_channels(
    context: Context, value: Tensor, layer: LayerTensors, first_values: list[Tensor], *, last: bool
) -> Tensor:
    graph, batch, n_embd = context.graph, context.batch, context.n_embd
    value = _by_sequence(context, value)
    before = _load_shift(context)
    normed = layer_norm(graph, value, layer, "attn_norm")
    out = _mix_time(context, normed, _shift(context, before, normed), layer, first_values)
    middle = graph.each(out, value)
    again = layer_norm(graph, middle, layer, "attn_norm_2")
    shifted = _shift(context, before, again)
    newest = (graph.view(part, (n_embd, 1, batch.n_seqs)) for part in (normed, again))
    graph.expand(graph.store(graph.view(graph.op((n_embd, 2, batch.n_seqs), *newest), (2 * n_embd * batch.n_seqs,))))
    middle, again, shifted = (graph.view(part, (n_embd, batch.n_tokens)) for part in (middle, again, shifted))
    if last:
        middle, again, shifted = (last_rows(context, part) for part in (middle, again, shifted))
    return graph.each(_channels(context, again, shifted, layer), middle)


def _channels(context: Context, value: Tensor, shifted: Tensor, layer: LayerTensors) -> Tensor:
    graph = context.graph
    change = graph.each(shifted, value)
    for_key = graph.each(graph.weighted(graph.each(change)), value)
    gate = None
    if "channel_mix_receptance" in layer:
        received = graph.each(graph.weighted(graph.each(change)), value)
        gate = graph.each(project(graph, received, layer, "channel_mix_receptance"))
    key = graph.each(graph.each(project(graph, for_key, layer, "channel_mix_key")))
    out = project(graph, key, layer, "channel_mix_value")
    return out if gate is None else graph.each(gate, out)


def _feed(context: Context, value: Tensor, layer: LayerTensors, first_values: list[Tensor], *, last: bool) -> Tensor:
    """A layer whose second part is the feed-forward of the model that it was made from."""
    graph, batch, n_embd = context.graph, context.batch, context.n_embd
    value = _by_sequence(context, value)
    before = _load_shift(context)
    normed = layer_norm(graph, value, layer, "attn_norm")
    out = _mix_time(context, normed, _shift(context, before, normed), layer, first_values)
    newest = graph.view(normed, (n_embd, 1, batch.n_seqs))
    graph.expand(graph.store(graph.view(newest, (n_embd * batch.n_seqs,))))
    middle = graph.view(graph.each(out, value), (n_embd, batch.n_tokens))
    if last:
        middle = last_rows(context, middle)
    return graph.each(feed_forward(context, layer_norm(graph, middle, layer, "ffn_norm"), layer), middle)


def _mix_time_6(context: Context, value: Tensor, shifted: Tensor, layer: LayerTensors) -> Tensor:
    graph, n, n_embd = context.graph, context.batch.n_tokens, context.n_embd
    parts = _lerp_6(context, value, shifted, layer)
    for_decay, for_key, for_value, for_reception, for_gate = parts
    r = project(graph, for_reception, layer, "time_mix_receptance")
    k = project(graph, for_key, layer, "time_mix_key")
    v = project(graph, for_value, layer, "time_mix_value")
    gate = graph.each(project(graph, for_gate, layer, "time_mix_gate"))
    if k.shape[0] != n_embd:
        k, v = (graph.op((n_embd, n), graph.view(part, part.shape)) for part in (k, v))
    low = graph.each(project(graph, for_decay, layer, "time_mix_decay_w1"))
    w = graph.weighted(graph.each(project(graph, low, layer, "time_mix_decay_w2")))
    w = graph.each(graph.each(graph.each(w)))
    k, v, r, w = (_by_head(context, part) for part in (k, v, r, w))
    own = "time_mix_first" in layer
    if not own:
        k = graph.each(k, graph.each(k, w))
    out = _attend(context, k, v, r, w, weighted=own)
    if own:
        out = _norm_heads(context, out)
    return _by_sequence(context, project(graph, graph.each(out, gate), layer, "time_mix_output"))


def _lerp_6(context: Context, value: Tensor, shifted: Tensor, layer: LayerTensors) -> list[Tensor]:
    """Five mixtures of each token and its predecessor, in proportions that depend on the token."""
    graph, n, n_embd = context.graph, context.batch.n_tokens, context.n_embd
    change = graph.view(graph.each(shifted, value), (n_embd, n))
    value = graph.view(value, (n_embd, n))
    mixed = graph.each(graph.weighted(graph.each(change)), value)
    low = graph.each(project(graph, mixed, layer, "time_mix_w1"))
    rank = low.shape[0] // 5
    low = graph.op((rank, 1, n, 5), graph.view(low, (rank, 1, n, 5)))
    high = graph.reads_cache(graph.op((n_embd, 1, n, 5), low), layer.size("time_mix_w2"))
    change, value = graph.view(change, (n_embd, 1, n)), graph.view(value, (n_embd, 1, n))
    mixed = graph.each(graph.each(graph.weighted(graph.each(high)), change), value)
    return [graph.view(mixed, (n_embd, n)) for _ in range(5)]


def _mix_time_7(context: Context, value: Tensor, shifted: Tensor, layer: LayerTensors, first: list[Tensor]) -> Tensor:
    graph, n_embd = context.graph, context.n_embd
    gated = "time_mix_g1" in layer
    for_reception, for_decay, for_key, for_value, for_rate, *for_gate = _lerp_7(context, value, shifted, 5 + gated)
    r = project(graph, for_reception, layer, "time_mix_receptance")
    low = graph.each(project(graph, for_decay, layer, "time_mix_w1"))
    w = graph.weighted(graph.each(project(graph, low, layer, "time_mix_w2")))
    w = graph.each(graph.each(graph.each(w)))
    k = project(graph, for_key, layer, "time_mix_key")
    v = _values_7(context, for_value, layer, first)
    rate = project(graph, project(graph, for_rate, layer, "time_mix_a1"), layer, "time_mix_a2")
    rate = graph.each(graph.weighted(graph.each(rate)))
    direction = _by_head(context, graph.weighted(graph.each(k)))
    direction = graph.op(direction.shape, direction)
    scaled = graph.weighted(graph.each(k))
    k = graph.each(k, graph.each(graph.each(rate, scaled), scaled))
    r, w, k, v, rate = (_by_head(context, part) for part in (r, w, k, v, rate))
    out = _attend(context, r, w, k, v, direction=direction, rate=rate)
    out = _norm_heads(context, out) if "time_mix_ln" in layer else out
    weights = graph.reads_cache(graph.each(graph.each(k, r)), n_embd * 4, after=1)
    bonus = graph.each(v, graph.op((1, *weights.shape[1:]), weights))
    out = graph.each(out, graph.view(bonus, out.shape))
    if gated:
        low = graph.each(project(graph, for_gate[0], layer, "time_mix_g1"))
        out = graph.each(out, project(graph, low, layer, "time_mix_g2"))
    return _by_sequence(context, project(graph, out, layer, "time_mix_output"))


def _lerp_7(context: Context, value: Tensor, shifted: Tensor, count: int) -> list[Tensor]:
    graph, batch, n_embd = context.graph, context.batch, context.n_embd
    repeated = graph.op((n_embd, batch.per_seq, batch.n_seqs, count), graph.each(shifted, value))
    mixed = graph.each(graph.weighted(graph.each(repeated)), value)
    return [graph.view(mixed, (n_embd, batch.n_tokens)) for _ in range(count)]


def _values_7(context: Context, for_value: Tensor, layer: LayerTensors, first: list[Tensor]) -> Tensor:
    """The values, moved towards those of the first layer."""
    graph = context.graph
    v = project(graph, for_value, layer, "time_mix_value")
    if not first:
        first.append(v)
        return v
    amount = project(graph, project(graph, for_value, layer, "time_mix_v1"), layer, "time_mix_v2")
    amount = graph.each(graph.weighted(graph.each(amount)))
    return graph.each(v, graph.each(graph.each(first[0], v), amount))


def _by_head(context: Context, value: Tensor) -> Tensor:
    state = context.shape.recurrent
    assert state is not None, "RWKV without a state"
    size = state.n_embd_s // context.n_embd
    return context.graph.view(value, (size, context.n_embd // size, context.batch.n_tokens))


def _attend(
    context: Context,
    *sources: Tensor,
    direction: Tensor | None = None,
    rate: Tensor | None = None,
    weighted: bool = False,
) -> Tensor:
    """`ggml_rwkv_wkv6`, `ggml_rwkv_wkv7` or `ggml_gated_linear_attn`: outputs and new states in one tensor."""
    graph, batch, n_embd = context.graph, context.batch, context.n_embd
    state = context.shape.recurrent
    assert state is not None, "RWKV without a state"
    states = load_state(context, state.n_embd_s)
    if direction is not None and rate is not None:
        sources = (*sources, graph.each(direction), graph.each(direction, rate))
    out = graph.op((n_embd, batch.n_tokens + state.n_embd_s // n_embd * batch.n_seqs), *sources, states)
    if weighted:
        out = graph.weighted(out)
        out.foreign_at = 3
    graph.expand(graph.store(graph.view(out, (state.n_embd_s * batch.n_seqs,))))
    return graph.view(out, (n_embd, batch.n_tokens))


def _norm_heads(context: Context, value: Tensor) -> Tensor:
    graph = context.graph
    normed = graph.view(graph.op(value.shape, value), value.shape)
    return graph.weighted(graph.each(graph.weighted(graph.each(normed))))
