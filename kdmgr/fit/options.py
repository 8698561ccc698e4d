"""How a model would be run: context, slots, batches, cache types, engine build."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kdmgr.errors import UsageError
from kdmgr.fit.machine import Machine
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
    """Ollama up to 0.24: logits for a whole batch."""

    @property
    def limits_outputs(self) -> bool:
        """Whether logits are kept for one token per slot only."""
        return self is not EngineBuild.OLLAMA_024

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
    flash_attn: bool = True
    engine_build: EngineBuild = EngineBuild.LLAMA_CPP
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
    projector_bytes: int = 0
    """Weights of an image or audio projector, which goes to the main device."""
    extra_bytes: int = 0
    """Weights of adapters or of a draft model, on the main device too."""

    def __post_init__(self) -> None:
        cache_type(self.type_k)
        if cache_type(self.type_v).block_size > 1 and not self.flash_attn:
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
    n_cpu_moe: int = 0
    split_mode: SplitMode = SplitMode.LAYER
    main_gpu: int = 0
    tensor_split: tuple[float, ...] = ()
    margin_bytes: int = MARGIN
    projector_bytes: int = 0
    extra_bytes: int = 0


def cache_type(name: str) -> TensorType:
    """The tensor type of a KV cache type; `UsageError` for one the engines do not take."""
    if name.lower() not in CACHE_TYPES:
        raise UsageError(f"no such cache type: {name!r}", hint=f"one of {', '.join(CACHE_TYPES)}")
    return TENSOR_TYPES_BY_NAME[name.upper()]


# llama.cpp switches it off by itself: "flash_attn is not compatible with Grok" (llama-context.cpp).
_NO_FLASH_ATTENTION = ("grok",)


def resolve(options: RunOptions, shape: ModelShape, machine: Machine) -> ResolvedOptions:
    """Fill in the defaults that the engine would choose."""
    n_ctx, basis = _resolve_context(options.n_ctx, shape, machine)
    n_ubatch = options.n_ubatch or options.engine_build.default_ubatch(n_ctx * options.n_parallel)
    # llama.cpp and Ollama differ in the logical batch, which takes no memory of its own.
    n_batch = options.n_batch or (2048 if options.engine_build is EngineBuild.LLAMA_CPP else n_ubatch)
    # No batch is larger than the context it has to fit into.
    n_batch = min(n_batch, n_ctx * options.n_parallel)
    return ResolvedOptions(
        n_ctx=n_ctx,
        n_ctx_basis=basis,
        n_parallel=options.n_parallel,
        n_batch=n_batch,
        n_ubatch=min(n_ubatch, n_batch),
        type_k=options.type_k.lower(),
        type_v=options.type_v.lower(),
        flash_attn=options.flash_attn and shape.architecture not in _NO_FLASH_ATTENTION,
        engine_build=options.engine_build,
        n_gpu_layers=options.n_gpu_layers,
        n_cpu_moe=options.n_cpu_moe,
        split_mode=options.split_mode,
        main_gpu=options.main_gpu,
        tensor_split=options.tensor_split,
        margin_bytes=options.margin_bytes,
        projector_bytes=options.projector_bytes,
        extra_bytes=options.extra_bytes,
    )


def _resolve_context(asked: int | None, shape: ModelShape, machine: Machine) -> tuple[int, str]:
    limit = shape.n_ctx_train
    if asked is not None:
        if limit is not None and asked > limit:
            return limit, f"{format_count(asked)} asked for, clamped to the model's own maximum"
        return asked, "asked for"
    total = machine.total_device_bytes
    n_ctx = next((n_ctx for least, n_ctx in CONTEXT_TIERS if total >= least), DEFAULT_CONTEXT)
    if limit is not None and n_ctx > limit:
        return limit, "the model's own maximum"
    return n_ctx, f"default for {format_bytes(total)} of VRAM" if total else "default without a GPU"
