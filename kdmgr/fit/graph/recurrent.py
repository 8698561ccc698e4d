"""Layers that keep a state of fixed size: Mamba, Mamba-2, gated delta nets, short convolutions.

Sources: llama.cpp, src/models/mamba-base.cpp, delta-net-base.cpp, qwen35.cpp, qwen3next.cpp, lfm2.cpp, and
`build_rs` in src/llama-graph.cpp.
"""

from __future__ import annotations

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.blocks import layer_norm, norm, project
from kdmgr.fit.graph.builder import F32
from kdmgr.fit.graph.context import Context
from kdmgr.gguf.layers import Recurrent
from kdmgr.gguf.weights import LayerTensors


def recurrent_layer(context: Context, value: Tensor, layer: LayerTensors) -> Tensor:
    """The recurrent part of a layer, whichever kind its tensors show."""
    if "shortconv.in_proj" in layer:
        return _short_convolution(context, value, layer)
    if "attn_qkv" in layer or "ssm_ba" in layer:
        return _delta_net(context, value, layer)
    if context.shape.architecture == "plamo2":
        return _plamo2_mamba(context, value, layer)
    return _mamba(context, value, layer) if "ssm_x" in layer else _mamba2(context, value, layer)


def _state(context: Context) -> Recurrent:
    state = context.shape.recurrent
    assert state is not None, "a recurrent layer without a state"
    return state


def _clear_first(context: Context) -> Tensor:
    """The first of the states is set to zero where it lies, for sequences that have none yet."""
    return context.graph.store()


def load_state(context: Context, size: int) -> Tensor:
    """`build_rs`: the states of all sequences, gathered."""
    graph, n = context.graph, context.batch.n_seqs
    graph.expand(_clear_first(context))
    rows = graph.op((size, n), context.state_ids)
    states = graph.view(rows, (size, n))
    graph.expand(states)
    graph.expand(graph.store(graph.view(rows, (size, 0))))
    return states


def _convolve(context: Context, conv: Tensor, value: Tensor, layer: LayerTensors, width: int) -> Tensor:
    """Put the last columns before the new ones, keep the newest, convolve."""
    graph, batch = context.graph, context.batch
    d_conv = context.shape.state_space.d_conv
    joined = graph.op((d_conv - 1 + batch.per_seq, width, batch.n_seqs), conv, value)
    graph.expand(graph.store(graph.view(joined, (d_conv - 1, width, batch.n_seqs))))
    out = _conv(context, joined, layer, width)
    if layer.has_bias("ssm_conv1d"):
        out = graph.weighted(graph.each(out))
    return graph.each(out)


def _conv(context: Context, joined: Tensor, layer: LayerTensors, width: int) -> Tensor:
    """`ggml_ssm_conv`, which names its weight last."""
    graph, batch = context.graph, context.batch
    out = graph.op((width, batch.per_seq, batch.n_seqs), joined)
    out = graph.weighted(out, layer.size("ssm_conv1d") or layer.size("shortconv.conv"))
    out.foreign_at = 1
    return out


def _scan(context: Context, width: int, *sources: Tensor) -> Tensor:
    """`ggml_ssm_scan`, which gives the outputs and the new states in one tensor.

    As one row it is no batch that is worth a copy of weights: it runs where its state is.
    """
    graph, batch, space = context.graph, context.batch, context.shape.state_space
    size = width * batch.n_tokens + space.d_state * space.d_inner * batch.n_seqs
    graph.expand(_clear_first(context))
    out = graph.op((size,), *sources, context.scanned_ids)
    # States that this batch does not touch are copied too; there are none.
    rest = graph.op((_state(context).n_embd_s, max(batch.n_seqs - 1, 0)), context.other_ids)
    if context.shape.architecture == "plamo2":
        # It reads A through a view, which does not count as a weight: the scan goes where its neighbours are.
        states = _state(context).n_embd_s * F32 * batch.n_seqs
        out, rest = graph.reads_cache(out, states), graph.reads_cache(rest, states)
    else:
        out = graph.weighted(out)
    graph.expand(out)
    graph.expand(graph.store(graph.view(rest, (0,))))
    graph.expand(graph.store(graph.view(out, (space.d_state * space.d_inner * batch.n_seqs,))))
    return out


def _mamba(context: Context, value: Tensor, layer: LayerTensors) -> Tensor:
    graph, batch, space = context.graph, context.batch, context.shape.state_space
    per, seqs, inner = batch.per_seq, batch.n_seqs, space.d_inner
    conv = graph.view(load_state(context, _state(context).n_embd_r), (space.d_conv - 1, inner, seqs))
    both = project(graph, graph.view(value, (value.shape[0], per, seqs)), layer, "ssm_in")
    x, z = graph.view(both, (inner, per, seqs)), graph.view(both, (inner, per, seqs))
    x = _convolve(context, conv, graph.view(x, x.shape), layer, inner)
    mixed = project(graph, x, layer, "ssm_x")
    dt = graph.view(mixed, (layer.columns("ssm_dt"), per, seqs))
    b, c = (graph.view(mixed, (space.d_state, 1, per, seqs)) for _ in range(2))
    if "ssm_dt_norm" in layer:
        dt = layer_norm(graph, dt, layer, "ssm_dt_norm")
        b, c = layer_norm(graph, b, layer, "ssm_b_norm"), layer_norm(graph, c, layer, "ssm_c_norm")
    else:
        dt = graph.op(dt.shape, dt)
    dt = project(graph, dt, layer, "ssm_dt")
    scanned = _scan(context, inner, graph.view(x, (1, inner, per, seqs)), dt, b, c)
    y = graph.each(graph.view(scanned, x.shape), graph.weighted(graph.each(x)))
    y = graph.op(x.shape, graph.op(z.shape, z), y)
    return graph.view(project(graph, y, layer, "ssm_out"), (layer.rows("ssm_out"), batch.n_tokens))


def _plamo2_mamba(context: Context, value: Tensor, layer: LayerTensors) -> Tensor:
    """Mamba with heads: its input is sorted by head, and X copied out of it (plamo2.cpp)."""
    graph, batch, space = context.graph, context.batch, context.shape.state_space
    per, seqs, inner = batch.per_seq, batch.n_seqs, space.d_inner
    heads = (inner // space.dt_rank, space.dt_rank, per, seqs)
    conv = graph.view(load_state(context, _state(context).n_embd_r), (space.d_conv - 1, inner, seqs))
    both = project(graph, graph.view(value, (value.shape[0], per, seqs)), layer, "ssm_in")
    both = graph.op(both.shape, graph.view(both, both.shape))
    z = graph.view(both, heads)
    x = graph.op((inner, per, seqs), graph.view(both, heads))
    x = _convolve(context, conv, graph.view(x, x.shape), layer, inner)
    mixed = project(graph, x, layer, "ssm_x")
    b, c = (graph.view(mixed, (space.d_state, per, seqs)) for _ in range(2))
    dt = graph.view(mixed, (layer.columns("ssm_dt"), per, seqs))
    b, c = layer_norm(graph, b, layer, "ssm_b_norm"), layer_norm(graph, c, layer, "ssm_c_norm")
    dt = project(graph, layer_norm(graph, dt, layer, "ssm_dt_norm"), layer, "ssm_dt")
    x, b, c = graph.view(x, heads), graph.view(b, b.shape), graph.view(c, c.shape)
    scanned = _scan(context, inner, x, dt, b, c)
    y = graph.each(graph.view(scanned, heads), graph.reads_cache(graph.each(x), space.dt_rank * F32, after=1))
    y = graph.view(graph.op(heads, graph.op(heads, z), y), (inner, per, seqs))
    return graph.view(project(graph, y, layer, "ssm_out"), (layer.rows("ssm_out"), batch.n_tokens))


def _mamba2(context: Context, value: Tensor, layer: LayerTensors) -> Tensor:
    graph, batch, space = context.graph, context.batch, context.shape.state_space
    per, seqs, inner = batch.per_seq, batch.n_seqs, space.d_inner
    width = inner + 2 * space.n_group * space.d_state
    heads = (inner // space.dt_rank, space.dt_rank, per, seqs)
    conv = graph.view(load_state(context, _state(context).n_embd_r), (space.d_conv - 1, width, seqs))
    all_in = project(graph, value, layer, "ssm_in")
    all_in = graph.view(all_in, (all_in.shape[0], per, seqs))
    z, dt = graph.view(all_in, heads), graph.view(all_in, (space.dt_rank, per, seqs))
    mixed = graph.view(graph.view(all_in, (width, per, seqs)), (per, width, seqs))
    mixed = _convolve(context, conv, mixed, layer, width)
    x = graph.view(mixed, heads)
    b, c = (graph.view(mixed, (space.d_state, space.n_group, per, seqs)) for _ in range(2))
    dt = graph.weighted(graph.each(graph.op(dt.shape, dt)))
    scanned = _scan(context, inner, x, dt, b, c)
    y = graph.each(graph.view(scanned, heads), graph.weighted(graph.each(x)))
    y = graph.op(heads, graph.op(heads, z), y)
    if "ssm_norm" in layer:
        y = layer_norm(graph, graph.view(y, (inner // space.n_group, space.n_group, per, seqs)), layer, "ssm_norm")
    return project(graph, graph.view(y, (inner, batch.n_tokens)), layer, "ssm_out")


def _delta_net(context: Context, value: Tensor, layer: LayerTensors) -> Tensor:
    graph, batch, space = context.graph, context.batch, context.shape.state_space
    per, seqs, n = batch.per_seq, batch.n_seqs, batch.n_tokens
    # All before this layer comes before its states are loaded (qwen35.cpp, qwen3next.cpp).
    graph.expand(value)
    key, v_heads = space.d_state, space.dt_rank
    v_size = space.d_inner // v_heads
    width = space.d_inner + 2 * space.n_group * key
    mixed, z = _delta_inputs(context, value, layer, width)
    gate, beta = _delta_gates(context, value, layer, v_heads)
    conv = graph.view(load_state(context, _state(context).n_embd_r), (space.d_conv - 1, width, seqs))
    convolved, states = _convolve_after_state(context, conv, mixed, layer, width)
    q, k = (_unit_length(context, convolved, key, space.n_group) for _ in range(2))
    v = graph.view(convolved, (v_size, v_heads, per, seqs))
    if "ssm_ba" in layer and space.n_group != v_heads:
        q, k = (_repeat_heads(context, part, key, v_heads) for part in (q, k))
    state = graph.view(states, (v_size, v_size, v_heads, seqs))
    out = graph.op((v_size * v_heads * n + v_size * v_size * v_heads * seqs,), q, k, v, gate, beta, state)
    graph.expand(graph.store(graph.view(out, (v_size, v_size, v_heads, seqs))))
    normed = norm(graph, graph.view(out, (v_size, v_heads, per, seqs)))
    gated = graph.each(graph.view(z, (v_size, v_heads, per, seqs)))
    result = graph.view(graph.each(normed, gated), (space.d_inner, per, seqs))
    return graph.view(project(graph, result, layer, "ssm_out"), (layer.rows("ssm_out"), n))


def _delta_inputs(context: Context, value: Tensor, layer: LayerTensors, width: int) -> tuple[Tensor, Tensor]:
    graph, batch = context.graph, context.batch
    if "attn_qkv" in layer:
        mixed = graph.view(project(graph, value, layer, "attn_qkv"), (width, batch.per_seq, batch.n_seqs))
        return mixed, project(graph, value, layer, "attn_gate")
    everything = project(graph, value, layer, "ssm_in")
    inner, n = context.shape.state_space.d_inner, batch.n_tokens
    keys = (width - inner) // 2
    z = graph.op((inner, n), graph.view(everything, (inner, n)))
    q, k, v = (graph.op((size, n), graph.view(everything, (size, n))) for size in (keys, keys, inner))
    return graph.op((width, n), graph.op((2 * keys, n), q, k), v), z


def _delta_gates(context: Context, value: Tensor, layer: LayerTensors, v_heads: int) -> tuple[Tensor, Tensor]:
    graph, n = context.graph, context.batch.n_tokens
    if "ssm_ba" in layer:
        both = project(graph, value, layer, "ssm_ba")
        beta = graph.each(graph.op((v_heads, n), graph.view(both, (v_heads, n))))
        alpha = graph.op((v_heads, n), graph.view(both, (v_heads, n)))
    else:
        beta = graph.each(graph.view(project(graph, value, layer, "ssm_beta"), (1, v_heads, n)))
        alpha = graph.view(project(graph, value, layer, "ssm_alpha"), (v_heads, n))
    gate = graph.weighted(graph.each(graph.each(graph.weighted(graph.each(alpha)))))
    return graph.view(gate, (1, v_heads, n)), beta


def _convolve_after_state(
    context: Context, conv: Tensor, mixed: Tensor, layer: LayerTensors, width: int
) -> tuple[Tensor, Tensor]:
    """The convolution's output and the state, loaded between the convolution's input and its output."""
    graph, batch, d_conv = context.graph, context.batch, context.shape.state_space.d_conv
    joined = graph.op((d_conv - 1 + batch.per_seq, width, batch.n_seqs), conv, graph.view(mixed, mixed.shape))
    graph.expand(graph.store(graph.view(joined, (d_conv - 1, width, batch.n_seqs))))
    state = load_state(context, _state(context).n_embd_s)
    return graph.each(_conv(context, joined, layer, width)), state


def _unit_length(context: Context, mixed: Tensor, size: int, heads: int) -> Tensor:
    graph, batch = context.graph, context.batch
    part = graph.view(mixed, (size, heads, batch.per_seq, batch.n_seqs))
    return graph.each(graph.op(part.shape, part))


def _repeat_heads(context: Context, part: Tensor, size: int, heads: int) -> Tensor:
    graph, batch = context.graph, context.batch
    repeated = graph.op((size, heads, batch.n_tokens), graph.view(part, part.shape))
    return graph.view(repeated, (size, heads, batch.per_seq, batch.n_seqs))


def _short_convolution(context: Context, value: Tensor, layer: LayerTensors) -> Tensor:
    graph, batch, n_embd = context.graph, context.batch, context.n_embd
    per, seqs = batch.per_seq, batch.n_seqs
    columns = _state(context).n_embd_r // n_embd
    everything = project(graph, graph.view(value, (n_embd, per, seqs)), layer, "shortconv.in_proj")
    b, c, x = (graph.view(everything, (n_embd, per, seqs)) for _ in range(3))
    product = graph.view(graph.each(b, x), (per, n_embd, seqs))
    conv = graph.view(load_state(context, _state(context).n_embd_r), (columns, n_embd, seqs))
    joined = graph.op((columns + per, n_embd, seqs), conv, product)
    graph.expand(graph.store(graph.view(joined, (columns, n_embd, seqs))))
    out = _conv(context, joined, layer, n_embd)
    out = project(graph, graph.each(c, out), layer, "shortconv.out_proj")
    return graph.view(out, (n_embd, batch.n_tokens))
