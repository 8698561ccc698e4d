"""Layers that keep a recurrent state, in Ollama's own engine (Ollama v0.24.0, model/models/lfm2).

Source of the states: kvcache/recurrent.go.
"""

from __future__ import annotations

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.blocks import project
from kdmgr.fit.ollama_engine.context import Forward
from kdmgr.gguf.weights import LayerTensors


def short_convolution(f: Forward, value: Tensor, layer: LayerTensors) -> Tensor:
    """`ShortConv`: two gates around a convolution over the last few tokens."""
    graph, n, width = f.graph, f.n_tokens, f.n_embd
    state = layer.columns("shortconv.conv") - 1
    parts = project(graph, value, layer, "shortconv.in_proj")
    before, after, x = (graph.view(parts, (width, n)) for _ in range(3))
    gated = graph.view(graph.each(before, x), (n, width))
    joined = graph.op((state + n, width), gated)
    mixed = graph.weighted(graph.op((width, n), joined), layer.size("shortconv.conv"))
    kept = graph.op((state * width, 1), graph.view(joined, (state, width)))
    graph.expand(graph.store(kept))
    return project(graph, graph.each(after, mixed), layer, "shortconv.out_proj")
