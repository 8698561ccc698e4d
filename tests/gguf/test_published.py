"""Shapes built from published numbers, held against the engine's own list of tensors."""

from __future__ import annotations

import pytest

from kdmgr.gguf.published import build_header, read_published
from kdmgr.gguf.published_tensors import PublishedExperts, PublishedLatent, PublishedShape
from kdmgr.gguf.quantising import QUANTS
from kdmgr.gguf.shape import read_shape
from tests.support.shapes import shape
from tests.support.sparse import RECIPES

PUBLISHED = {
    "deepseek-v3": PublishedShape(
        "deepseek2",
        n_layer=61,
        n_embd=7168,
        n_head=128,
        n_head_kv=128,
        n_ff=18432,
        n_vocab=129280,
        n_ctx_train=163840,
        experts=PublishedExperts(256, 8, 2048, 1, 3),
        latent=PublishedLatent(1536, 512, 128, 64, 128),
    ),
    "llama-3.1-8b": PublishedShape("llama", 32, 4096, 32, 8, 14336, 128256, 131072),
    "llama-3.3-70b": PublishedShape("llama", 80, 8192, 64, 8, 28672, 128256, 131072),
    "llama-3.2-1b": PublishedShape("llama", 16, 2048, 32, 8, 8192, 128256, 131072, tied=True),
    "mistral-nemo-12b": PublishedShape("llama", 40, 5120, 32, 8, 14336, 131072, 131072, 128),
    "falcon3-7b": PublishedShape("llama", 28, 3072, 12, 4, 23040, 131072, 32768),
    "qwen2.5-7b": PublishedShape("qwen2", 28, 3584, 28, 4, 18944, 152064, 32768),
    "qwen2.5-32b": PublishedShape("qwen2", 64, 5120, 40, 8, 27648, 152064, 32768),
    "qwen3-8b": PublishedShape("qwen3", 36, 4096, 32, 8, 12288, 151936, 40960, 128),
    "qwen3-4b": PublishedShape("qwen3", 36, 2560, 32, 8, 9728, 151936, 40960, 128, tied=True),
    "qwen3-235b-a22b": PublishedShape(
        "qwen3moe", 94, 4096, 64, 4, 12288, 151936, 40960, 128, experts=PublishedExperts(128, 8, 1536)
    ),
    "llama-4-scout": PublishedShape(
        "llama4", 48, 5120, 40, 8, 16384, 202048, 10485760, 128, experts=PublishedExperts(16, 1, 8192, 1)
    ),
    "gemma-2-9b": PublishedShape("gemma2", 42, 3584, 16, 8, 14336, 256000, 8192, 256, 4096, tied=True),
    "gemma-3-4b": PublishedShape("gemma3", 34, 2560, 8, 4, 10240, 262208, 131072, 256, 1024, tied=True),
    "phi-4": PublishedShape("phi3", 40, 5120, 40, 10, 17920, 100352, 16384),
    "nemotron-mini-4b": PublishedShape("nemotron", 32, 3072, 24, 8, 9216, 256000, 4096, 128),
}
# Optional tensors that the engine lists: factors of the rotation, and a classifier nobody ships.
OPTIONAL = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight", "cls.output.weight")

each_model = pytest.mark.parametrize("name", PUBLISHED)


@each_model
def test_the_tensors_are_those_that_the_engine_asks_for(name: str) -> None:
    wanted: dict[str, tuple[int, ...]] = {}
    for row, extents, _ in RECIPES[name].rows():
        if row.endswith("ffn_gate_up_exps.weight"):
            # The engine takes both joined; published files have them apart.
            half = (extents[0], extents[1] // 2, extents[2])
            wanted |= {row.replace("gate_up", "gate"): half, row.replace("gate_up", "up"): half}
        elif row not in OPTIONAL:
            wanted[row] = tuple(extents)
    built = {tensor.name: tensor.shape for tensor in build_header(PUBLISHED[name], "Q4_K_M").tensors}
    assert built == wanted


@each_model
def test_caches_and_heads_are_those_of_a_file(name: str) -> None:
    built, file = read_published(PUBLISHED[name], "Q4_K_M"), shape(name)
    assert built.attention == file.attention
    assert (built.n_layer, built.n_embd, built.n_ff, built.lora_ranks) == (
        file.n_layer,
        file.n_embd,
        file.n_ff,
        file.lora_ranks,
    )


@pytest.mark.parametrize("quant", QUANTS)
@each_model
def test_laying_out_each_kind_of_layer_once_gives_the_whole_header(name: str, quant: str) -> None:
    published = PUBLISHED[name]
    assert read_published(published, quant) == read_shape(build_header(published, quant))


@pytest.mark.parametrize(
    ("name", "listed_gb", "within"),
    [
        # Sizes that Ollama's library lists for the Q4_K_M files, in decimal gigabytes.
        ("deepseek-v3", 404, 1),
        ("llama-3.3-70b", 43, 1),
        ("llama-3.1-8b", 4.9, 0.05),
        ("qwen2.5-7b", 4.7, 0.05),
        ("qwen2.5-32b", 20, 0.5),
        ("qwen3-235b-a22b", 142, 1),
        ("phi-4", 9.1, 0.06),
        ("nemotron-mini-4b", 2.7, 0.05),
    ],
)
def test_a_q4_k_m_file_is_as_large_as_it_is_listed(name: str, listed_gb: float, within: float) -> None:
    assert read_published(PUBLISHED[name], "Q4_K_M").weights.total / 1e9 == pytest.approx(listed_gb, abs=within)
