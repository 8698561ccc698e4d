"""GGUF files with a true header and no data: as large as any model, and a few KiB on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy


@dataclass(frozen=True)
class Recipe:
    """Published hyper-parameters of one model, under llama.cpp's names."""

    architecture: str
    n_layer: int
    n_embd: int
    n_head: int
    n_head_kv: int
    n_ff: int
    n_vocab: int
    n_ctx_train: int = 131072
    head_dim: int | None = None
    tied: bool = False
    n_swa: int | None = None
    quant: str = "Q4_K"
    extra: Mapping[str, float] = field(default_factory=dict)

    @property
    def n_embd_head(self) -> int:
        return self.head_dim or self.n_embd // self.n_head


RECIPES: dict[str, Recipe] = {
    "llama-3.1-8b": Recipe("llama", 32, 4096, 32, 8, 14336, 128256),
    "llama-3.2-1b": Recipe("llama", 16, 2048, 32, 8, 8192, 128256, tied=True),
    "qwen2.5-7b": Recipe("qwen2", 28, 3584, 28, 4, 18944, 152064, 32768),
    "qwen2.5-1.5b": Recipe("qwen2", 28, 1536, 12, 2, 8960, 151936, 32768, tied=True),
    "qwen3-8b": Recipe("qwen3", 36, 4096, 32, 8, 12288, 151936, 40960, head_dim=128),
    "qwen3-0.6b": Recipe("qwen3", 28, 1024, 16, 8, 3072, 151936, 40960, head_dim=128, tied=True),
    "gemma-3-4b": Recipe("gemma3", 34, 2560, 8, 4, 10240, 262208, head_dim=256, tied=True, n_swa=1024),
    "gemma-3-12b": Recipe("gemma3", 48, 3840, 16, 8, 15360, 262208, head_dim=256, tied=True, n_swa=1024),
    "phi-3-mini-4k": Recipe("phi3", 32, 3072, 32, 32, 8192, 32064, 4096, n_swa=2047),
    "phi-4": Recipe("phi3", 40, 5120, 40, 10, 17920, 100352, 16384),
}


def write_sparse(recipe: Recipe, folder: Path, name: str = "model") -> Path:
    """Write `recipe` as a GGUF without data; the file has its full length, but takes no room."""
    path = folder / f"{name}.gguf"
    writer = gguf.GGUFWriter(path, recipe.architecture)
    _write_metadata(writer, recipe)
    for tensor_name, shape, kind in _tensors(recipe):
        tensor_type = gguf.GGMLQuantizationType[kind]
        rows = 1
        for extent in shape[1:]:
            rows *= extent
        block, size = gguf.GGML_QUANT_SIZES[tensor_type]
        # GGUFWriter takes numpy's order, the reverse of ggml's, and for raw types the shape in bytes.
        byte_shape = [*reversed(shape[1:]), shape[0] // block * size] if block > 1 else [*reversed(shape)]
        writer.add_tensor_info(
            tensor_name, byte_shape, _dtype(kind), rows * shape[0] // block * size, raw_dtype=tensor_type
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    _extend(path)
    return path


def _write_metadata(writer: gguf.GGUFWriter, recipe: Recipe) -> None:
    arch = recipe.architecture
    writer.add_context_length(recipe.n_ctx_train)
    writer.add_embedding_length(recipe.n_embd)
    writer.add_block_count(recipe.n_layer)
    writer.add_feed_forward_length(recipe.n_ff)
    writer.add_head_count(recipe.n_head)
    writer.add_head_count_kv(recipe.n_head_kv)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(15)
    writer.add_rope_dimension_count(recipe.n_embd_head)
    if recipe.head_dim:
        writer.add_key_length(recipe.head_dim)
        writer.add_value_length(recipe.head_dim)
    if recipe.n_swa:
        writer.add_sliding_window(recipe.n_swa)
    writer.add_vocab_size(recipe.n_vocab)
    writer.add_tokenizer_model("no_vocab")
    for key, value in recipe.extra.items():
        writer.add_uint32(f"{arch}.{key}", int(value))


def _tensors(recipe: Recipe) -> list[tuple[str, tuple[int, ...], str]]:
    rows: list[tuple[str, tuple[int, ...], str]] = [
        ("token_embd.weight", (recipe.n_embd, recipe.n_vocab), recipe.quant),
        ("output_norm.weight", (recipe.n_embd,), "F32"),
    ]
    if not recipe.tied:
        rows.append(("output.weight", (recipe.n_embd, recipe.n_vocab), "Q6_K"))
    for layer in range(recipe.n_layer):
        rows += [(f"blk.{layer}.{name}", shape, kind) for name, shape, kind in _layer(recipe)]
    return rows


def _layer(recipe: Recipe) -> list[tuple[str, tuple[int, ...], str]]:
    embd, head, quant = recipe.n_embd, recipe.n_embd_head, recipe.quant
    q, kv = recipe.n_head * head, recipe.n_head_kv * head
    rows: list[tuple[str, tuple[int, ...], str]] = [("attn_norm.weight", (embd,), "F32")]
    if recipe.architecture == "phi3":
        rows.append(("attn_qkv.weight", (embd, q + 2 * kv), quant))
    else:
        rows += [
            ("attn_q.weight", (embd, q), quant),
            ("attn_k.weight", (embd, kv), quant),
            ("attn_v.weight", (embd, kv), "Q6_K"),
        ]
    rows += [("attn_output.weight", (q, embd), quant), ("ffn_norm.weight", (embd,), "F32")]
    if recipe.architecture == "phi3":
        rows.append(("ffn_up.weight", (embd, 2 * recipe.n_ff), quant))
    else:
        rows += [("ffn_gate.weight", (embd, recipe.n_ff), quant), ("ffn_up.weight", (embd, recipe.n_ff), quant)]
    rows.append(("ffn_down.weight", (recipe.n_ff, embd), "Q6_K"))
    if recipe.architecture == "qwen2":
        rows += [("attn_q.bias", (q,), "F32"), ("attn_k.bias", (kv,), "F32"), ("attn_v.bias", (kv,), "F32")]
    if recipe.architecture in ("qwen3", "gemma3"):
        rows += [("attn_q_norm.weight", (head,), "F32"), ("attn_k_norm.weight", (head,), "F32")]
    if recipe.architecture == "gemma3":
        rows += [("post_attention_norm.weight", (embd,), "F32"), ("post_ffw_norm.weight", (embd,), "F32")]
    return rows


def _dtype(kind: str) -> object:

    return numpy.dtype(numpy.float32) if kind == "F32" else numpy.dtype(numpy.uint8)


def _extend(path: Path) -> None:
    from kdmgr.gguf.reader import read_header
    from kdmgr.gguf.source import PrefixSource

    header = read_header(PrefixSource(path.read_bytes(), 1 << 50))
    with path.open("r+b") as file:
        file.truncate(header.file_bytes + header.alignment)
