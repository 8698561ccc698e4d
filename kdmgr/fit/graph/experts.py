"""A mixture of experts, as `build_moe_ffn` of llama.cpp builds it."""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.builder import I32, Graph
from kdmgr.gguf.weights import LayerTensors


@dataclass(frozen=True, slots=True)
class Routing:
    """How tokens are sent to experts."""

    n_expert: int
    n_expert_used: int
    gating: str = "softmax"
    """"softmax", "sigmoid" or "late" (softmax over the chosen ones only)."""
    norm_weights: bool = True
    scale_weights: bool = False
    n_group: int = 0
    n_group_used: int = 0
    weigh_first: bool = False
    """Whether the weights are applied before the experts (llama 4)."""
    squared: bool = False
    """Whether ungated experts square what ReLU lets through."""


def mix_experts(
    graph: Graph, value: Tensor, layer: LayerTensors, routing: Routing, logits: Tensor | None = None
) -> Tensor:
    """The experts' weighted sum for `value` (n_embd, n_tokens). Other `logits` may choose the experts."""
    n_embd, n = value.shape
    used = routing.n_expert_used
    chosen, weights = _route(graph, value, layer, routing, logits)
    graph.expand(weights)
    each = graph.view(value, (n_embd, 1, n))
    if routing.weigh_first:
        each = graph.each(graph.op((n_embd, used, n), each), weights)
    experts = _run_experts(graph, each, chosen, layer, routing, n)
    if not routing.weigh_first:
        experts = graph.each(experts, weights)
    graph.expand(experts)
    return _add_up(graph, experts, used)


def _route(
    graph: Graph, value: Tensor, layer: LayerTensors, routing: Routing, logits: Tensor | None
) -> tuple[Tensor, Tensor]:
    n, used = value.shape[1], routing.n_expert_used
    if logits is None:
        logits = graph.weighted(graph.op((routing.n_expert, n), value), layer.size("ffn_gate_inp"), "ffn_gate_inp")
    if layer.has_bias("ffn_gate_inp"):
        logits = graph.weighted(graph.each(logits), name="ffn_gate_inp")
    probabilities = logits if routing.gating == "late" else graph.each(logits)
    ranking = probabilities
    if layer.has_bias("exp_probs_b"):
        ranking = graph.weighted(graph.each(probabilities))
    if routing.weigh_first:
        ranking = logits
    if routing.n_group > 1:
        ranking = _keep_best_groups(graph, ranking, routing, n)
    order = graph.op((routing.n_expert, n), ranking, element=I32)
    chosen = graph.view(order, (used, n))
    weights = graph.op((1, used, n), graph.view(probabilities, (1, routing.n_expert, n)), chosen)
    if routing.gating == "late":
        weights = graph.view(graph.each(graph.view(weights, (used, n))), (1, used, n))
    if routing.norm_weights:
        flat = graph.view(weights, (used, n))
        total = graph.each(graph.op((1, n), flat))
        weights = graph.view(graph.each(flat, total), (1, used, n))
    if routing.scale_weights:
        weights = graph.each(weights)
    return chosen, weights


def _keep_best_groups(graph: Graph, ranking: Tensor, routing: Routing, n: int) -> Tensor:
    size = routing.n_expert // routing.n_group
    groups = graph.view(ranking, (size, routing.n_group, n))
    best = graph.view(graph.op(groups.shape, groups, element=I32), (2, routing.n_group, n))
    scores = graph.op((1, 2, routing.n_group, n), graph.view(groups, (1, size, routing.n_group, n)), best)
    scores = graph.op((1, routing.n_group, n), graph.view(scores, (2, routing.n_group, n)))
    scores = graph.view(scores, (routing.n_group, n))
    kept = graph.view(graph.op(scores.shape, scores, element=I32), (routing.n_group_used, n))
    values = graph.op((size, routing.n_group_used, n), groups, kept)
    masked = graph.each(groups)
    return graph.view(graph.write(masked, values, kept), (routing.n_expert, n))


def _run_experts(graph: Graph, each: Tensor, chosen: Tensor, layer: LayerTensors, routing: Routing, n: int) -> Tensor:
    used = routing.n_expert_used
    if "ffn_gate_up_exps" in layer:
        both = _biased(graph, each, chosen, layer, "ffn_gate_up_exps", used, n)
        half = (both.shape[0] // 2, used, n)
        hidden = graph.op(half, graph.view(both, half), graph.view(both, half))
    else:
        hidden = _biased(graph, each, chosen, layer, "ffn_up_exps", used, n)
        if "ffn_gate_exps" in layer:
            gate = _biased(graph, each, chosen, layer, "ffn_gate_exps", used, n)
            hidden = graph.op(hidden.shape, gate, hidden)
        else:
            hidden = graph.each(hidden)
            if routing.squared:
                hidden = graph.each(hidden)
    return _biased(graph, hidden, chosen, layer, "ffn_down_exps", used, n)


def _biased(graph: Graph, value: Tensor, chosen: Tensor, layer: LayerTensors, name: str, used: int, n: int) -> Tensor:
    result = graph.op((layer.rows(name), used, n), value, chosen)
    result = graph.weighted(result, layer.size(name), name)
    return graph.weighted(graph.each(result, chosen), name=name) if layer.has_bias(name) else result


def _add_up(graph: Graph, experts: Tensor, used: int) -> Tensor:
    n_embd, _, n = experts.shape
    parts = [graph.view(experts, (n_embd, n)) for _ in range(used)]
    for part in parts:
        graph.expand(part)
    total = parts[0]
    for part in parts[1:]:
        total = graph.each(total, part)
        graph.expand(total)
    return graph.op(total.shape, total) if used == 1 else total
