"""Models in several files, written by hand."""

from __future__ import annotations

from pathlib import Path

from tests.gguf.forge import Forge


def write_shards(folder: Path, name: str = "tiny", total: int = 3, *, n_tensors: int | None = None) -> list[Path]:
    """A llama of `total` layers, one in each file; the first has all metadata, as llama-gguf-split writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(total):
        forge = Forge()
        if number == 0:
            forge.add_text("general.architecture", "llama")
            forge.add_text("general.name", "Tiny")
            for key, value in (("block_count", total), ("context_length", 4096), ("embedding_length", 64)):
                forge.add_number(f"llama.{key}", value)
            forge.add_number("llama.attention.head_count", 2)
            forge.add_strings("tokenizer.ggml.tokens", ["a", "b"])
            forge.add_tensor("token_embd.weight", (64, 2), 0, 0)
        forge.add_number("split.no", number)
        forge.add_number("split.count", total)
        forge.add_number("split.tensors.count", total + 1 if n_tensors is None else n_tensors)
        start = 512 if number == 0 else 0
        forge.add_tensor(f"blk.{number}.attn_q.weight", (64, 64), 0, start)
        path = folder / f"{name}-{number + 1:05}-of-{total:05}.gguf"
        path.write_bytes(forge.file(start + 64 * 64 * 4))
        paths.append(path)
    return paths
