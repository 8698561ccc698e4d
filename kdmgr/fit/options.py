"""How a model would be run: context, slots, batches, cache types, engine build."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from kdmgr.errors import UsageError
from kdmgr.fit.machine import Machine
from kdmgr.gguf.layers import Attention
from kdmgr.gguf.shape import ModelShape
from kdmgr.gguf.types import TENSOR_TYPES_BY_NAME, TensorType
from kdmgr.units import GIB, MIB, format_bytes, format_count

# What llama.cpp accepts for --cache-type-k and -v (common/arg.cpp, kv_cache_types).
CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
# Ollama, server/routes.go: the default context by the total memory of all GPUs.
CONTEXT_TIERS = ((47 * GIB, 262144), (23 * GIB, 32768))
DEFAULT_CONTEXT = 4096
MARGIN = 1024 * MIB
"""What llama.cpp leaves free on each device (LLAMA_ARG_FIT_TARGET)."""


class EngineBuild(StrEnum):
    """The engine build, which decides batches and the size of the compute buffer."""

    LLAMA_CPP = "llama.cpp"
    """llama.cpp of 2026 with its own defaults; the embedded engine is one."""
    OLLAMA_030 = "ollama-0.30"
    """Ollama 0.30 and newer: the same engine, batches chosen by context."""
    OLLAMA_024 = "ollama-0.24"
    """Ollama up to 0.24: some architectures in an engine of its own, the others with logits for a whole batch."""
    OLLAMA_011 = "ollama-0.11"
    """Ollama up to 0.11.4: the same, and what to offload is decided by its own estimate."""

    @property
    def estimates(self) -> bool:
        """Whether layers are given out by an estimate and not by what the engine would allocate."""
        return self is EngineBuild.OLLAMA_011

    @property
    def default_flash_attn(self) -> bool:
        """Whether flash attention is on unless it is asked for or ruled out."""
        return self is not EngineBuild.OLLAMA_011

    @property
    def limits_outputs(self) -> bool:
        """Whether logits are kept for one token per slot only."""
        return self not in (EngineBuild.OLLAMA_024, EngineBuild.OLLAMA_011)

    @property
    def mixes_inputs(self) -> bool:
        """Whether tokens and vectors may come in one batch, which takes two vectors per token more."""
        return self is EngineBuild.LLAMA_CPP

    def default_ubatch(self, n_cells: int) -> int:
        """The physical batch for a cache of `n_cells` tokens over all slots (Ollama, llm/llama_server.go)."""
        if self is EngineBuild.OLLAMA_030 and n_cells > 4096:
            return 2048 if n_cells > 32768 else 1024
        return 512


class SplitMode(StrEnum):
    """How a model is spread over several devices (llama.cpp, `--split-mode`)."""

    NONE = "none"
    LAYER = "layer"
    ROW = "row"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a user may set. `n_ctx` is per slot; None asks for the default of the machine."""

    n_ctx: int | None = None
    n_parallel: int = 1
    n_batch: int | None = None
    n_ubatch: int | None = None
    type_k: str = "f16"
    type_v: str = "f16"
    flash_attn: bool | None = None
    """None leaves it to the engine, which turns it on for a quantised cache at the latest."""
    engine_build: EngineBuild | None = None
    """None: the newest, or that of the server that has the model."""
    n_gpu_layers: int | None = None
    """Layers to offload, set by hand; None lets the placement decide."""
    n_cpu_moe: int = 0
    """Layers, from the first, whose experts stay in host memory; set by hand."""
    split_mode: SplitMode = SplitMode.LAYER
    main_gpu: int = 0
    """The device that runs everything without a split, and holds the cache when rows are split."""
    tensor_split: tuple[float, ...] = ()
    """Shares of the devices, set by hand; empty: by their free memory."""
    margin_bytes: int = MARGIN
    """What is left free on each device (LLAMA_ARG_FIT_TARGET)."""
    keeps_margin: bool = False
    """Whether layers go to the host rather than that the margin is touched, as with `--fit`; else only where the
    whole model does not fit without it."""
    projector_bytes: int = 0
    """Weights of an image or audio projector, which goes to the main device."""
    extra_bytes: int = 0
    """Weights of adapters, on the main device too."""
    draft: ModelShape | None = None
    """A draft model, with its cache on the main device."""
    gpu_overhead_bytes: int = 0
    """What an engine that estimates keeps free on each device (OLLAMA_GPU_OVERHEAD)."""

    def __post_init__(self) -> None:
        cache_type(self.type_k)
        if cache_type(self.type_v).block_size > 1 and self.flash_attn is False:
            raise UsageError(
                f"a {self.type_v} V cache needs flash attention",
                hint="leave flash attention on, or quantise only the K cache",
            )
        if not 1 <= self.n_parallel <= 256:
            raise UsageError(f"{self.n_parallel} parallel slots are out of range", hint="give a number from 1 to 256")


@dataclass(frozen=True, slots=True)
class ResolvedOptions:
    """`RunOptions` with every default filled in for one model and one machine."""

    n_ctx: int
    n_ctx_basis: str
    """Why this context: "asked for", "default for 24.00 GiB of VRAM", "the model's own maximum" …"""
    n_parallel: int
    n_batch: int
    n_ubatch: int
    type_k: str
    type_v: str
    flash_attn: bool
    engine_build: EngineBuild
    n_gpu_layers: int | None
    notes: tuple[str, ...] = ()
    """What was asked for and cannot be had."""
    n_cpu_moe: int = 0
    split_mode: SplitMode = SplitMode.LAYER
    main_gpu: int = 0
    tensor_split: tuple[float, ...] = ()
    margin_bytes: int = MARGIN
    keeps_margin: bool = False
    projector_bytes: int = 0
    extra_bytes: int = 0
    gpu_overhead_bytes: int = 0
    asked_batch: int = 512
    """The logical batch before it is held within the context."""
    asked_ctx: int | None = None
    """The context per slot before it is held within the model's own maximum; None where nobody asked."""
    in_ollamas_engine: bool = False
    """Whether Ollama runs the model in its own engine, and not in llama.cpp."""

    @property
    def lays_out_itself(self) -> bool:
        """Whether the engine's program decides by an arithmetic of its own what goes where."""
        return self.in_ollamas_engine or self.engine_build.estimates


def cache_type(name: str) -> TensorType:
    """The tensor type of a KV cache type; `UsageError` for one the engines do not take."""
    if name.lower() not in CACHE_TYPES:
        raise UsageError(f"no such cache type: {name!r}", hint=f"one of {', '.join(CACHE_TYPES)}")
    return TENSOR_TYPES_BY_NAME[name.upper()]


# llama.cpp switches it off by itself: "flash_attn is not compatible with Grok" (llama-context.cpp).
_NO_FLASH_ATTENTION = ("grok",)


def resolve(options: RunOptions, shape: ModelShape, machine: Machine) -> ResolvedOptions:
    """Fill in the defaults that the engine would choose."""
    build = options.engine_build or EngineBuild.LLAMA_CPP
    n_ctx, basis = _resolve_context(options.n_ctx, build, shape, machine)
    n_ubatch = options.n_ubatch or build.default_ubatch(n_ctx * options.n_parallel)
    # llama.cpp and Ollama differ in the logical batch, which takes no memory of its own.
    asked_batch = options.n_batch or (2048 if build is EngineBuild.LLAMA_CPP else n_ubatch)
    # No batch is larger than the context it has to fit into.
    n_batch = min(asked_batch, n_ctx * options.n_parallel)
    flash_attn = _resolve_flash_attn(options, build) and shape.architecture not in _NO_FLASH_ATTENTION
    type_k, type_v, notes = _loadable_types(options, flash_attn, shape.attention)
    resolved = ResolvedOptions(
        n_ctx=n_ctx,
        n_ctx_basis=basis,
        n_parallel=options.n_parallel,
        n_batch=n_batch,
        n_ubatch=min(n_ubatch, n_batch),
        type_k=type_k,
        type_v=type_v,
        flash_attn=flash_attn,
        engine_build=build,
        n_gpu_layers=options.n_gpu_layers,
        notes=notes,
        n_cpu_moe=options.n_cpu_moe,
        split_mode=options.split_mode,
        main_gpu=options.main_gpu,
        tensor_split=options.tensor_split,
        margin_bytes=options.margin_bytes,
        keeps_margin=options.keeps_margin,
        projector_bytes=options.projector_bytes,
        extra_bytes=options.extra_bytes,
        gpu_overhead_bytes=options.gpu_overhead_bytes,
        asked_batch=asked_batch,
        asked_ctx=options.n_ctx,
    )
    if build is EngineBuild.OLLAMA_024:
        from kdmgr.fit.ollama_engine.settings import runs_there, settle

        if runs_there(shape, resolved):
            resolved = settle(shape, resolved, options)
    if options.draft is None:
        return resolved
    from kdmgr.fit.draft import draft_bytes

    return replace(resolved, extra_bytes=resolved.extra_bytes + draft_bytes(options.draft, resolved))


def _loadable_types(
    options: RunOptions, flash_attn: bool, attention: Attention | None
) -> tuple[str, str, tuple[str, ...]]:
    """The types of K and V; f16 where blocks do not divide a head (llama.cpp, `llama_init_from_model`)."""
    if attention is None:
        return options.type_k.lower(), options.type_v.lower(), ()
    if not flash_attn:
        refused = cache_type(options.type_v).block_size > 1
        notes = (f"the engine refuses a {options.type_v} V cache without flash attention: planned with f16",)
        return options.type_k.lower(), "f16" if refused else options.type_v.lower(), notes if refused else ()
    type_k, refused_k = _loadable(options.type_k.lower(), "K", attention.n_embd_head_k)
    type_v, refused_v = _loadable(options.type_v.lower(), "V", attention.n_embd_head_v)
    return type_k, type_v, (*refused_k, *refused_v)


def _loadable(name: str, part: str, heads: tuple[int, ...]) -> tuple[str, tuple[str, ...]]:
    block = cache_type(name).block_size
    odd = next((head for head in heads if head % block), None)
    if odd is None:
        return name, ()
    return "f16", (f"the engine refuses a {name} {part} cache for heads of {odd}: planned with f16",)


def _resolve_flash_attn(options: RunOptions, build: EngineBuild) -> bool:
    if options.flash_attn is not None:
        return options.flash_attn
    return build.default_flash_attn or any(cache_type(name).block_size > 1 for name in (options.type_k, options.type_v))


def _resolve_context(asked: int | None, build: EngineBuild, shape: ModelShape, machine: Machine) -> tuple[int, str]:
    limit = shape.n_ctx_train
    if asked is not None:
        if limit is not None and asked > limit:
            return limit, f"{format_count(asked)} asked for, clamped to the model's own maximum"
        return asked, "asked for"
    if build is EngineBuild.OLLAMA_011:
        return min(DEFAULT_CONTEXT, limit or DEFAULT_CONTEXT), "Ollama's default before 0.15.5"
    total = machine.total_device_bytes
    n_ctx = next((n_ctx for least, n_ctx in CONTEXT_TIERS if total >= least), DEFAULT_CONTEXT)
    if limit is not None and n_ctx > limit:
        return limit, "the model's own maximum"
    return n_ctx, f"default for {format_bytes(total)} of VRAM" if total else "default without a GPU"
