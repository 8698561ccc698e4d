"""What all parts of the graph of Ollama's own engine share: the batch, the inputs, the caches' masks.

Sources, Ollama v0.24.0: runner/ollamarunner/runner.go (`reserveWorstCaseGraph`), kvcache/causal.go (`StartForward`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.builder import F16, I32, Graph
from kdmgr.fit.ollama_engine.cells import layer_cells
from kdmgr.fit.options import ResolvedOptions, cache_type
from kdmgr.gguf.layers import Attention
from kdmgr.gguf.shape import ModelShape


class EngineGraph(Graph):
    """A graph whose inputs have buffers of their own, beside the compute buffer."""

    def expand(self, tensor: Tensor) -> None:
        """Append `tensor` after everything it needs."""
        if tensor.sources or tensor.root is not None:
            super().expand(tensor)


@dataclass(frozen=True, slots=True)
class CacheInputs:
    """What attention over one cache is told: which cells it may see, and where this batch goes."""

    n_kv: int
    mask: Tensor
    locations: Tensor


@dataclass(frozen=True, slots=True)
class Forward:
    """A graph in the making, the model it is for, and its inputs."""

    graph: EngineGraph
    shape: ModelShape
    attention: Attention
    n_embd: int
    options: ResolvedOptions
    n_tokens: int
    n_outputs: int
    tokens: Tensor
    positions: Tensor
    outputs: Tensor
    scales: Tensor
    """Factors by position."""
    _caches: dict[bool, CacheInputs] = field(default_factory=dict)

    def cache(self, layer: int) -> CacheInputs:
        """The inputs of the cache that `layer` attends over: sliding layers have one of their own."""
        n_kv = layer_cells(self.shape, self.options, layer)
        key = self.attention.slides[layer]
        if key not in self._caches:
            mask = self.graph.input((n_kv, self.n_tokens))
            if self.options.flash_attn:
                mask = self.graph.op(mask.shape, mask, element=F16)
            self._caches[key] = CacheInputs(n_kv, mask, self.graph.input((self.n_tokens,), I32))
        return self._caches[key]

    def cached_bytes(self, layer: int, n_kv: int) -> tuple[int, int]:
        """Bytes of K and of V that `layer` reads."""
        a = self.attention
        heads = a.n_head_kv[layer]
        k = cache_type(self.options.type_k).row_bytes(heads * a.n_embd_head_k[layer])
        v = cache_type(self.options.type_v).row_bytes(heads * a.n_embd_head_v[layer])
        return k * n_kv, v * n_kv


def begin(shape: ModelShape, options: ResolvedOptions, attention: Attention, n_embd: int) -> Forward:
    """The worst case that the engine reserves for: a whole batch, and one row of logits per slot."""
    graph, n = EngineGraph(), options.n_batch
    return Forward(
        graph=graph,
        shape=shape,
        attention=attention,
        n_embd=n_embd,
        options=options,
        n_tokens=n,
        n_outputs=options.n_parallel,
        tokens=graph.input((n,), I32),
        positions=graph.input((n * _N_POSITIONS.get(shape.architecture, 1),), I32),
        outputs=graph.input((options.n_parallel,), I32),
        scales=graph.input((1, 1, n)),
    )


# Positions per token, where images have rows and columns.
_N_POSITIONS = {"qwen25vl": 4, "qwen3vl": 4, "qwen3vlmoe": 4}
