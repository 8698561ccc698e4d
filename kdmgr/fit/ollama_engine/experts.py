"""Mixtures of experts in Ollama's own engine (Ollama v0.24.0, model/models: qwen3, gptoss, lfm2, llama4)."""

from __future__ import annotations

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.blocks import project
from kdmgr.fit.graph.builder import I32, Graph
from kdmgr.fit.ollama_engine.context import Forward
from kdmgr.gguf.shape import Experts
from kdmgr.gguf.weights import LayerTensors


def mix_after_softmax(
    f: Forward, value: Tensor, layer: LayerTensors, experts: Experts, logits: Tensor | None = None
) -> Tensor:
    """qwen3: softmax over all experts, the chosen ones' weights made to sum to one. Other `logits` may choose them."""
    graph = f.graph
    probabilities = graph.each(project(graph, value, layer, "ffn_gate_inp") if logits is None else logits)
    chosen = _choose(graph, probabilities, experts)
    weights = _normalise(graph, _pick(graph, probabilities, chosen))
    return _sum_up(graph, graph.each(_run(graph, value, layer, chosen), weights))


def mix_before_softmax(f: Forward, value: Tensor, layer: LayerTensors, experts: Experts) -> Tensor:
    """gpt-oss: softmax over the chosen experts only."""
    graph = f.graph
    logits = project(graph, value, layer, "ffn_gate_inp")
    chosen = _choose(graph, logits, experts)
    picked = _pick(graph, logits, chosen)
    weights = graph.view(graph.each(graph.view(picked, picked.shape[1:])), picked.shape)
    return _sum_up(graph, graph.each(_run(graph, value, layer, chosen, turns=True), weights))


def mix_by_sigmoid(f: Forward, value: Tensor, layer: LayerTensors, experts: Experts) -> Tensor:
    """lfm2moe: a bias for choosing, and weights that sum to one."""
    graph = f.graph
    logits = project(graph, value, layer, "ffn_gate_inp")
    probabilities = graph.view(logits, logits.shape)
    ranking = probabilities
    if layer.has_bias("exp_probs_b") or "exp_probs_b" in layer:
        ranking = graph.weighted(graph.each(probabilities))
    chosen = _choose(graph, ranking, experts)
    weights = _normalise(graph, _pick(graph, probabilities, chosen), clamped=True)
    if experts.scales:
        weights = graph.each(weights)
    graph.expand(weights)
    return _sum_up(graph, graph.each(_run(graph, value, layer, chosen), weights))


def mix_weighed_first(f: Forward, value: Tensor, layer: LayerTensors, experts: Experts) -> Tensor:
    """llama 4: what the experts read is weighed, not what they give."""
    graph, (n_embd, n) = f.graph, value.shape
    logits = project(graph, value, layer, "ffn_gate_inp")
    chosen = _choose(graph, logits, experts)
    scores = _pick(graph, graph.view(logits, logits.shape), chosen)
    spread = graph.op((n_embd, experts.n_expert_used, n), graph.view(value, (n_embd, 1, n)))
    spread = graph.each(spread, scores)
    up = _of_experts(graph, spread, layer, "ffn_up_exps", chosen)
    gate = _of_experts(graph, spread, layer, "ffn_gate_exps", chosen)
    hidden = graph.each(up, graph.view(gate, gate.shape))
    return _sum_up(graph, _of_experts(graph, hidden, layer, "ffn_down_exps", chosen))


def mix_ungated(f: Forward, value: Tensor, layer: LayerTensors, experts: Experts) -> Tensor:
    """nomic-bert-moe: experts without a gate, their weights as the softmax gives them."""
    graph, (n_embd, n) = f.graph, value.shape
    probabilities = graph.each(project(graph, value, layer, "ffn_gate_inp"))
    chosen = _choose(graph, probabilities, experts)
    weights = _pick(graph, probabilities, chosen)
    hidden = _of_experts(graph, graph.view(value, (n_embd, 1, n)), layer, "ffn_up_exps", chosen)
    out = _of_experts(graph, graph.view(hidden, hidden.shape), layer, "ffn_down_exps", chosen)
    return _sum_up(graph, graph.each(out, weights))


def _choose(graph: Graph, ranking: Tensor, experts: Experts) -> Tensor:
    order = graph.op(ranking.shape, ranking, element=I32)
    return graph.view(order, (experts.n_expert_used, ranking.shape[1]))


def _pick(graph: Graph, probabilities: Tensor, chosen: Tensor) -> Tensor:
    n_expert, n = probabilities.shape
    return graph.op((1, chosen.shape[0], n), graph.view(probabilities, (1, n_expert, n)), chosen)


def _normalise(graph: Graph, weights: Tensor, *, clamped: bool = False) -> Tensor:
    flat = graph.view(weights, weights.shape[1:])
    total = graph.op((1, flat.shape[1]), flat)
    if clamped:
        total = graph.view(total, total.shape)
    return graph.view(graph.each(flat, total), weights.shape)


def _run(graph: Graph, value: Tensor, layer: LayerTensors, chosen: Tensor, *, turns: bool = False) -> Tensor:
    """Gate, up and down. `turns`: fused gate and up take turns row by row, and are copied apart (gpt-oss)."""
    value = graph.view(value, (value.shape[0], 1, value.shape[1]))
    if "ffn_gate_up_exps" in layer:
        both = _of_experts(graph, value, layer, "ffn_gate_up_exps", chosen)
        half = (both.shape[0] // 2, *both.shape[1:])
        gate, up = graph.view(both, half), graph.view(both, half)
        if turns:
            gate, up = graph.op(half, gate), graph.op(half, up)
    else:
        gate = _of_experts(graph, value, layer, "ffn_gate_exps", chosen)
        up = _of_experts(graph, value, layer, "ffn_up_exps", chosen)
    return _of_experts(graph, graph.op(up.shape, gate, up), layer, "ffn_down_exps", chosen)


def _of_experts(graph: Graph, value: Tensor, layer: LayerTensors, name: str, chosen: Tensor) -> Tensor:
    """`nn.LinearBatch`: the chosen experts' matrices, and their biases."""
    shape = (layer.rows(name), *chosen.shape)
    out = graph.weighted(graph.op(shape, value, chosen), layer.size(name), name)
    return graph.weighted(graph.each(out, chosen), name=name) if layer.has_bias(name) else out


def _sum_up(graph: Graph, outputs: Tensor) -> Tensor:
    n_embd, used, n = outputs.shape
    total = graph.view(outputs, (n_embd, n))
    for _ in range(used - 1):
        total = graph.each(total, graph.view(outputs, (n_embd, n)))
    return total
