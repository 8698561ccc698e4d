"""What all parts of a graph under construction share, and the inputs that are set before it runs."""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.fit.graph.allocator import HOST, Tensor
from kdmgr.fit.graph.builder import F16, F32, I32, I64, Graph, stored
from kdmgr.fit.graph.traits import Traits
from kdmgr.fit.kv_cache import full_cells, sliding_cells
from kdmgr.fit.options import ResolvedOptions, cache_type
from kdmgr.gguf.layers import Attention
from kdmgr.gguf.shape import ModelShape

# Bytes for heads of 128.
_ROPE_FACTORS = 256


@dataclass(frozen=True, slots=True)
class Batch:
    """The worst case that the engine reserves memory for."""

    n_tokens: int
    n_seqs: int
    n_outputs: int
    flash_attn: bool

    @property
    def per_seq(self) -> int:
        """Tokens of one sequence."""
        return self.n_tokens // self.n_seqs


@dataclass(frozen=True, slots=True)
class Heads:
    """Sizes of the attention of one layer."""

    n_head: int
    n_head_kv: int
    k: int
    v: int


@dataclass(frozen=True, slots=True)
class CacheInputs:
    """What attention over one KV cache is told before the graph runs."""

    n_kv: int
    """Cells of one sequence."""
    mask: Tensor
    k_idxs: Tensor
    v_idxs: Tensor
    k_rot: Tensor | None
    v_rot: Tensor | None


@dataclass(frozen=True, slots=True)
class Context:
    """A graph, the model it is for, and its inputs."""

    graph: Graph
    shape: ModelShape
    attention: Attention
    n_embd: int
    options: ResolvedOptions
    batch: Batch
    traits: Traits
    positions: Tensor
    out_ids: Tensor
    full: CacheInputs
    sliding: CacheInputs
    state_ids: Tensor
    scanned_ids: Tensor
    other_ids: Tensor
    """Views of `state_ids`: those of this batch, and the rest. Each is copied to a device once."""
    temperatures: Tensor
    rope_factors: Tensor
    """One weight for all layers, copied once."""

    def heads(self, layer: int) -> Heads:
        """The attention sizes of `layer`."""
        a = self.attention
        return Heads(a.n_head[layer], a.n_head_kv[layer], a.n_embd_head_k[layer], a.n_embd_head_v[layer])

    def cache(self, layer: int) -> CacheInputs:
        """The cache that `layer` attends over."""
        return self.sliding if self.attention.slides[layer] else self.full

    @property
    def reads_rope_factors(self) -> bool:
        """Whether the rotation by position reads factors from a tensor."""
        return self.shape.layers.rope_factors and self.traits.rope_factors

    def cache_bytes(self, heads: Heads, cache: CacheInputs) -> tuple[int, int]:
        """Bytes of K and of V that one layer's attention reads."""
        if not any(self.attention.caches):
            return 0, 0
        cells = cache.n_kv * self.batch.n_seqs
        k = cache_type(self.options.type_k).row_bytes(heads.n_head_kv * heads.k)
        v = cache_type(self.options.type_v).row_bytes(heads.n_head_kv * heads.v)
        return k * cells, v * cells

    def f16_copies(self, heads: Heads, cache: CacheInputs) -> int:
        """Bytes of K and V in f16, as far as the cache does not hold them so."""
        cells = cache.n_kv * self.batch.n_seqs * heads.n_head_kv if any(self.attention.caches) else 0
        k = heads.k * (self.options.type_k != "f16")
        # A latent V is a part of K, and so of its copy.
        v = heads.v * (self.options.type_v != "f16") * (not self.attention.latent)
        return F16 * cells * (k + v)

    @property
    def widest_v(self) -> int:
        """Elements of the widest V of all layers: transposed caches are padded to it."""
        return _widest_v(self.attention)


def make_context(
    shape: ModelShape, options: ResolvedOptions, attention: Attention, n_embd: int, traits: Traits
) -> Context:
    """Reserve for the largest batch: `n_ubatch` tokens, one output per sequence unless the build keeps all."""
    n_seqs = options.n_parallel
    n_tokens = -(-min(options.n_ctx * n_seqs, options.n_ubatch) // n_seqs) * n_seqs
    outputs = n_seqs if options.engine_build.limits_outputs else n_tokens
    batch = Batch(n_tokens, n_seqs, min(outputs, n_tokens), options.flash_attn)
    graph = Graph()
    if any(attention.caches):
        full = _cache_inputs(graph, attention, options, batch, sliding=False)
        sliding = _cache_inputs(graph, attention, options, batch, sliding=True) if attention.n_swa else full
    else:
        full, sliding = _uncached_inputs(graph, batch), _uncached_inputs(graph, batch)
    state_ids = graph.input((n_seqs,), I32)
    return Context(
        graph=graph,
        shape=shape,
        attention=attention,
        n_embd=n_embd,
        options=options,
        batch=batch,
        traits=traits,
        positions=graph.input((n_tokens * traits.n_positions,), I32),
        out_ids=graph.input((batch.n_outputs,), I32),
        full=full,
        sliding=sliding,
        state_ids=state_ids,
        scanned_ids=graph.view(state_ids, (n_seqs,)),
        other_ids=graph.view(state_ids, (0,)),
        temperatures=graph.input((1, 1, n_tokens)),
        rope_factors=stored(_ROPE_FACTORS),
    )


def embed(context: Context) -> Tensor:
    """`build_inp_embd`: tokens, vectors or a mixture of both may come in; all three are reserved for."""
    graph, n, n_embd = context.graph, context.batch.n_tokens, context.n_embd
    wide = (n_embd * (1 + context.shape.n_deepstack), n)
    mixes = context.options.engine_build.mixes_inputs
    looked_up = [_token_rows(context) for _ in range(2 if mixes else 1)]
    # All look-ups come before any of them is widened.
    for rows in looked_up:
        graph.expand(rows)
    graph.expand(graph.input(wide))
    inputs = [rows if rows.shape == wide else graph.op(wide, rows) for rows in looked_up]
    for value in inputs:
        graph.expand(value)
    if mixes:
        graph.expand(graph.write(graph.op(wide, graph.input(wide)), inputs[1], graph.input((n,), I64)))
    return inputs[0]


def add_positions(context: Context, value: Tensor) -> Tensor:
    """Vectors for the positions, looked up and added where the tokens are."""
    rows = context.graph.op(value.shape, context.positions)
    rows.place = HOST
    return context.graph.each(value, rows)


def last_rows(context: Context, value: Tensor) -> Tensor:
    """Only the rows that logits are wanted for."""
    return context.graph.op((value.shape[0], context.batch.n_outputs), value, context.out_ids)


def _token_rows(context: Context) -> Tensor:
    n = context.batch.n_tokens
    rows = context.graph.op((context.n_embd, n), context.graph.input((n,), I32))
    # The table of tokens stays in host memory, so the CPU looks them up.
    rows.place = HOST
    return rows


def _cache_inputs(
    graph: Graph, attention: Attention, options: ResolvedOptions, batch: Batch, *, sliding: bool
) -> CacheInputs:
    cells = sliding_cells(options, attention.n_swa) if sliding else full_cells(options)
    n_kv = cells // batch.n_seqs
    owners = [i for i, slides in enumerate(attention.slides) if slides == sliding and attention.caches[i]]
    v_rows = 1 if batch.flash_attn else _widest_v(attention)
    # Latent caches are not rotated, and keep no V.
    rotated = bool(owners) and not attention.latent
    return CacheInputs(
        n_kv=n_kv,
        mask=graph.input((n_kv, batch.n_tokens), F16 if batch.flash_attn else F32),
        k_idxs=graph.input((batch.n_tokens,), I64),
        v_idxs=graph.input((batch.n_tokens * v_rows,), I64),
        k_rot=_rotation(graph, options.type_k, attention.n_embd_head_k[owners[0]], whole=True) if rotated else None,
        v_rot=_rotation(graph, options.type_v, attention.n_embd_head_v[owners[0]], whole=False) if rotated else None,
    )


def _uncached_inputs(graph: Graph, batch: Batch) -> CacheInputs:
    n = batch.n_tokens
    mask = graph.input((n, n), F16 if batch.flash_attn else F32)
    return CacheInputs(n, mask, mask, mask, None, None)


def _rotation(graph: Graph, type_name: str, head: int, *, whole: bool) -> Tensor | None:
    """A quantised cache is rotated: K by the largest power of two in a head, V by 64 (`attn_rot_k`)."""
    if cache_type(type_name).block_size == 1 or head % 64:
        return None
    size = 64
    while whole and head % (2 * size) == 0:
        size *= 2
    return graph.input((size, size))


def _widest_v(attention: Attention) -> int:
    return max(heads * size for heads, size in zip(attention.n_head_kv, attention.n_embd_head_v, strict=True))
