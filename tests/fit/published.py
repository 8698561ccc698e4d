"""Loads that others published, and the shapes of the models they loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdmgr.fit.options import EngineBuild, ResolvedOptions
from kdmgr.gguf.header import GgufHeader, LongArray, TensorInfo, Value
from kdmgr.gguf.shape import ModelShape, read_shape
from kdmgr.gguf.types import TENSOR_TYPES_BY_NAME

DATA = Path(__file__).parents[1] / "data" / "published_loads.jsonl"
HOST_BUFFERS = ("CPU", "CPU_Mapped", "CUDA_Host", "ROCm_Host", "Vulkan_Host", "Host")
_ARRAY_OF_STRINGS = 8


@dataclass(frozen=True, slots=True)
class Load:
    """One row of the data file; sizes in MiB, as printed."""

    id: str
    source: str
    date: str | None
    engine: str
    build: str | None
    backend: str | None
    model: str | None
    public_model: str | None
    """Key into `PUBLIC_MODELS` where the excerpt prints no hyper-parameters."""
    architecture: str | None
    header: Mapping[str, Any]
    options: Mapping[str, Any]
    devices: tuple[Mapping[str, Any], ...]
    offloaded: tuple[int, int] | None
    buffers: Mapping[str, Mapping[str, float]]
    kv_cells: tuple[Mapping[str, Any], ...]
    partial_kv: bool
    """Whether the excerpt leaves out one of the model's caches."""
    outputs_limited: bool | None
    """Whether the build keeps logits for a few tokens only (May 2026 and newer); None: not known."""
    projected: Mapping[str, Any] | None
    breakdown: Mapping[str, Mapping[str, int]] | None
    notes: str | None

    @property
    def kv_mib(self) -> float | None:
        """The KV cache over all places; None where it is not printed as a whole."""
        totals = [cache["kv"] for cache in self.kv_cells if "kv" in cache]
        if self.partial_kv or not (totals or any("kv" in sizes for sizes in self.buffers.values())):
            return None
        return sum(totals) if totals else sum(sizes.get("kv", 0) for sizes in self.buffers.values())

    @property
    def recurrent_mib(self) -> float | None:
        """The recurrent state over all places; None where none is printed."""
        sizes = [sizes["rs"] for sizes in self.buffers.values() if "rs" in sizes]
        return sum(sizes) if sizes else None

    @property
    def device_compute_mib(self) -> float | None:
        """The compute buffer of the only device (or of devices that repeat it).

        None for a partial offload, and where several GPUs work as a pipeline: they copy their inputs.
        """
        printed: Mapping[str, Mapping[str, float]] = self.buffers or self.breakdown or {}
        sizes = {round(each["compute"], 2) for name, each in printed.items() if _is_device(name, each)}
        whole = self.offloaded is None or self.offloaded[0] == self.offloaded[1]
        whole = whole and "pipeline_copies" not in self.options
        return sizes.pop() if whole and len(sizes) == 1 and not self._partly_on_host else None

    @property
    def _partly_on_host(self) -> bool:
        # A graph that runs on one device has two splits; the excerpts note it where there are more.
        told = "override_tensor" in self.options or "partly on the host" in (self.notes or "")
        return told or any("kv" in sizes or "rs" in sizes for name, sizes in self.buffers.items() if name == "CPU")


def read_published(path: Path = DATA) -> tuple[Load, ...]:
    """All rows, in the order of the file."""
    with path.open(encoding="utf-8") as file:
        return tuple(_load(json.loads(line)) for line in file)


def _load(row: dict[str, Any]) -> Load:
    offloaded = row["offloaded"]
    return Load(
        **{
            **row,
            "devices": tuple(row["devices"]),
            "kv_cells": tuple(row["kv_cells"] or ()),
            "offloaded": (offloaded[0], offloaded[1]) if offloaded else None,
        }
    )


def _is_device(name: str, sizes: Mapping[str, float]) -> bool:
    return name not in HOST_BUFFERS and "compute" in sizes


def shape_of(load: Load) -> ModelShape | None:
    """The model's shape, from the hyper-parameters printed or published; None where there are neither.

    The tensors are stand-ins: only their names matter to the shape, so `weights` means nothing.
    """
    keys = PUBLIC_MODELS.get(load.public_model or "") or _printed(load.header)
    if load.architecture is None or not keys:
        return None
    vocabulary = int(keys["vocab_size"])
    metadata: dict[str, Value] = {
        "general.architecture": load.architecture,
        "tokenizer.ggml.tokens": LongArray(_ARRAY_OF_STRINGS, vocabulary),
        **{f"{load.architecture}.{key}": value for key, value in keys.items()},
    }
    names = ["token_embd.weight", *FALLBACK_TENSORS.get(load.architecture, ())]
    tensors = tuple(TensorInfo(name, (32,), TENSOR_TYPES_BY_NAME["F32"], 0, 128) for name in names)
    return read_shape(GgufHeader(3, "little", 32, metadata, tensors, 0))


def options_of(load: Load) -> ResolvedOptions | None:
    """The options of the load; None without a context. A unified cache is one slot of the whole context."""
    n_ctx, slots = load.options.get("n_ctx"), load.options.get("n_seq_max", 1)
    if n_ctx is None:
        return None
    # Before the option existed (October 2025) every cache was unified.
    n_parallel = 1 if load.options.get("kv_unified", True) else slots
    return ResolvedOptions(
        n_ctx=n_ctx // n_parallel,
        n_ctx_basis="as published",
        n_parallel=n_parallel,
        n_batch=load.options.get("n_batch", 2048),
        n_ubatch=load.options.get("n_ubatch", 512),
        type_k=load.options.get("type_k", "f16"),
        type_v=load.options.get("type_v", "f16"),
        flash_attn=load.options.get("flash_attn", True),
        engine_build=EngineBuild.OLLAMA_030 if load.outputs_limited else EngineBuild.OLLAMA_024,
        n_gpu_layers=load.options.get("n_gpu_layers"),
    )


def _printed(header: Mapping[str, Any]) -> dict[str, int]:
    """`print_info`'s names as GGUF's; empty where too little was printed."""
    names = {
        "n_ctx_train": "context_length",
        "n_embd": "embedding_length",
        "n_layer": "block_count",
        "n_ff": "feed_forward_length",
        "n_head": "attention.head_count",
        "n_head_kv": "attention.head_count_kv",
        "n_embd_head_k": "attention.key_length",
        "n_embd_head_v": "attention.value_length",
        "n_vocab": "vocab_size",
    }
    return {theirs: header[ours] for ours, theirs in names.items()} if names.keys() <= header.keys() else {}


def _model(
    n_layer: int, n_embd: int, n_ff: int, n_head: int, n_head_kv: int, n_vocab: int, **extra: int
) -> dict[str, int]:
    keys = {
        "block_count": n_layer,
        "embedding_length": n_embd,
        "feed_forward_length": n_ff,
        "attention.head_count": n_head,
        "attention.head_count_kv": n_head_kv,
        "vocab_size": n_vocab,
    }
    named = {
        "head_dim": ("attention.key_length", "attention.value_length"),
        "key": ("attention.key_length",),
        "value": ("attention.value_length",),
        "window": ("attention.sliding_window",),
        "experts": ("expert_count",),
        "used": ("expert_used_count",),
        "n_ff_exp": ("expert_feed_forward_length",),
        "interval": ("full_attention_interval",),
        "conv": ("ssm.conv_kernel",),
        "inner": ("ssm.inner_size",),
        "state": ("ssm.state_size",),
        "rank": ("ssm.time_step_rank",),
        "group": ("ssm.group_count",),
        "lora": ("attention.kv_lora_rank",),
        "rope": ("rope.dimension_count",),
    }
    for name, value in extra.items():
        keys |= dict.fromkeys(named[name], value)
    return keys


# Hyper-parameters that the models' authors publish (config.json), under GGUF's names without the architecture.
PUBLIC_MODELS: dict[str, dict[str, int]] = {
    "command-r": _model(40, 8192, 22528, 64, 64, 256000),
    "deepseek-v2": _model(60, 5120, 12288, 128, 128, 102400, key=192, value=128, lora=512, rope=64),
    "gemma-3-12b": _model(48, 3840, 15360, 16, 8, 262208, head_dim=256, window=1024),
    "gemma-3-27b": _model(62, 5376, 21504, 32, 16, 262208, head_dim=128, window=1024),
    "llama-2-7b": _model(32, 4096, 11008, 32, 32, 32000),
    "llama-3.2-3b": _model(28, 3072, 8192, 24, 8, 128256),
    "qwen2.5-3b": _model(36, 2048, 11008, 16, 2, 151936),
    "qwen2.5-7b": _model(28, 3584, 18944, 28, 4, 152064),
    "qwen2.5-32b": _model(64, 5120, 27648, 40, 8, 152064),
    "qwen3-0.6b": _model(28, 1024, 3072, 16, 8, 151936, head_dim=128),
    "qwen3-4b": _model(36, 2560, 9728, 32, 8, 151936, head_dim=128),
    "qwen3-30b-a3b": _model(48, 2048, 6144, 32, 4, 151936, head_dim=128, experts=128, used=8, n_ff_exp=768),
    "qwen3-vl-8b": _model(36, 4096, 12288, 32, 8, 151936, head_dim=128),
    "qwen3-vl-235b": _model(94, 4096, 12288, 64, 4, 151936, head_dim=128, experts=128, used=8, n_ff_exp=1536),
    "qwen3.6-27b": _model(
        64, 5120, 17408, 24, 4, 248320, head_dim=256, interval=4, conv=4, inner=6144, state=128, rank=48, group=16
    ),
    "qwen3.6-35b-a3b": _model(
        40, 2048, 512, 16, 2, 248320, head_dim=256, interval=4, conv=4, inner=4096, state=128, rank=32, group=16,
        experts=256, used=8, n_ff_exp=512,
    ),
    "yi-34b": _model(60, 7168, 20480, 56, 8, 64000),
}  # fmt: skip
# DeepSeek files of before the MLA tensors: the engine then keeps a whole multi-head cache.
FALLBACK_TENSORS = {"deepseek2": ("blk.0.attn_kv_b.weight",), "gptneox": ("blk.0.attn_qkv.weight",)}
