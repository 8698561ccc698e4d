"""Models that Ollama 0.24 runs in its own engine, as headers without data."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from kdmgr.gguf.shape import ModelShape
from tests.support.shapes import read_file_shape
from tests.support.sparse import RECIPES, Recipe, Row, write_sparse

_NAMES = [
    "bge-large-en-v1.5",
    "gemma-3-1b",
    "gemma-3-4b",
    "gemma-3-12b",
    "gemma-3-27b",
    "gemma-3n-e4b",
    "gemma-4-26b-a4b",
    "gemma-4-31b",
    "gemma-4-e4b",
    "gpt-oss-20b",
    "gpt-oss-120b",
    "lfm2-1.2b",
    "lfm2-8b-a1b",
    "llama-4-scout",
    "ministral-3-8b",
    "nemotron-3-nano-30b-a3b",
    "nemotron-nano-9b-v2",
    "nomic-embed-text-v1.5",
    "qwen3-0.6b",
    "qwen3-4b",
    "qwen3-8b",
    "qwen3-30b-a3b",
    "qwen3-235b-a22b",
    "qwen3.5-9b",
]


def as_ollamas_own(recipe: Recipe, architecture: str, names: dict[str, str]) -> Recipe:
    """`recipe` as Ollama's converter writes it: another name for the architecture, and for some tensors."""
    old = recipe.architecture
    metadata = {key.replace(f"{old}.", f"{architecture}.", 1): value for key, value in recipe.metadata.items()}
    metadata["general.architecture"] = architecture

    def rename(rows: list[Row]) -> list[Row]:
        stems = ((*row[0].partition("."), row) for row in rows)
        return [(names.get(stem, stem) + dot + suffix, row[1], row[2]) for stem, dot, suffix, row in stems]

    layers = [(at, rename(rows)) for at, rows in recipe.layers]
    return replace(recipe, name=f"{recipe.name}-{architecture}", metadata=metadata, layers=layers)


def seeing(recipe: Recipe) -> Recipe:
    """Gemma 3 with the part for images in the same file, as Ollama publishes it (SigLIP, 896 pixels)."""
    width, n_ff, n_layer = 1152, 4304, 27
    keys = {"block_count": n_layer, "embedding_length": width, "feed_forward_length": n_ff, "image_size": 896}
    keys |= {"patch_size": 14, "num_channels": 3, "attention.head_count": 16}
    metadata = {**recipe.metadata, **{f"gemma3.vision.{key}": value for key, value in keys.items()}}
    matrices = {name: [width, width] for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
    matrices |= {"mlp.fc1": [width, n_ff], "mlp.fc2": [n_ff, width]}
    rows: list[Row] = [
        ("v.patch_embedding.weight", [14, 14, 3, width], "F16"),
        ("v.patch_embedding.bias", [width], "F32"),
        ("v.position_embedding.weight", [width, 4096], "F16"),
        ("mm.mm_input_projection.weight", [recipe.metadata["gemma3.embedding_length"], width], "F16"),
        ("mm.mm_soft_emb_norm.weight", [width], "F32"),
    ]
    norms = ["v.post_layernorm", *(f"v.blk.{at}.layer_norm{which}" for at in range(n_layer) for which in (1, 2))]
    rows += [(f"{name}.{part}", [width], "F32") for name in norms for part in ("weight", "bias")]
    for at in range(n_layer):
        for name, shape in matrices.items():
            rows += [(f"v.blk.{at}.{name}.weight", shape, "F16"), (f"v.blk.{at}.{name}.bias", shape[1:], "F32")]
    return replace(recipe, name=f"{recipe.name}-with-images", metadata=metadata, tensors=[*recipe.tensors, *rows])


_OWN = (
    as_ollamas_own(RECIPES["gpt-oss-20b"], "gptoss", {"attn_output": "attn_out", "post_attention_norm": "ffn_norm"}),
    seeing(RECIPES["gemma-3-4b"]),
    seeing(RECIPES["gemma-3-12b"]),
)
ENGINE_RECIPES: dict[str, Recipe] = {
    **{name: RECIPES[name] for name in _NAMES},
    **{recipe.name: recipe for recipe in _OWN},
}


@cache
def engine_shape(name: str) -> ModelShape:
    """The shape of one of them."""
    with tempfile.TemporaryDirectory() as folder:
        return read_file_shape(write_sparse(ENGINE_RECIPES[name], Path(folder)))
