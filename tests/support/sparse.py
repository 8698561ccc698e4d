"""GGUF files with a true header and no data: as large as any model, and a few KiB on disk.

`tests/data/architectures.jsonl` holds one model a line: its published hyper-parameters under GGUF's keys, and the
tensors that llama.cpp asks for with these (read from the engine itself, `llama_model_init_from_user`), less the
optional ones that the published model lacks. Quantised types are those of a Q4_K_M file, roughly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gguf
import numpy

DATA = Path(__file__).parents[1] / "data" / "architectures.jsonl"
Row = tuple[str, list[int], str]


@dataclass(frozen=True)
class Recipe:
    """One published model. Shapes in ggml's order."""

    name: str
    metadata: dict[str, Any]
    tensors: list[Row]
    layers: list[tuple[list[int], list[Row]]]
    """Layers made alike: their indexes, and the tensors of each."""

    @property
    def architecture(self) -> str:
        architecture: str = self.metadata["general.architecture"]
        return architecture

    @property
    def n_ctx_train(self) -> int:
        length: int = self.metadata[f"{self.architecture}.context_length"]
        return length

    def rows(self) -> Iterator[Row]:
        """All tensors, layer by layer."""
        yield from self.tensors
        by_layer = {index: rows for indexes, rows in self.layers for index in indexes}
        for index in sorted(by_layer):
            yield from ((f"blk.{index}.{name}", shape, kind) for name, shape, kind in by_layer[index])


def read_recipes() -> dict[str, Recipe]:
    """All recipes by name."""
    lines = (json.loads(line) for line in DATA.read_text().splitlines())
    return {
        line["name"]: Recipe(
            name=line["name"],
            metadata=line["metadata"],
            tensors=[tuple(row) for row in line["tensors"]],
            layers=[(group["at"], [tuple(row) for row in group["tensors"]]) for group in line["layers"]],
        )
        for line in lines
    }


RECIPES = read_recipes()


def quantised(recipe: Recipe, kind: str) -> Recipe:
    """The same model with every quantised tensor of one kind."""

    def change(rows: list[Row]) -> list[Row]:
        return [(name, shape, old if old in ("F32", "F16") else kind) for name, shape, old in rows]

    layers = [(indexes, change(rows)) for indexes, rows in recipe.layers]
    return replace(recipe, tensors=change(recipe.tensors), layers=layers)


def write_sparse(recipe: Recipe, folder: Path, name: str = "model") -> Path:
    """Write `recipe` as a GGUF without data; the file has its full length, but takes no room."""
    path = folder / f"{name}.gguf"
    writer = gguf.GGUFWriter(path, recipe.architecture)
    for key, value in recipe.metadata.items():
        _add(writer, key, value)
    for tensor_name, shape, kind in recipe.rows():
        _add_tensor(writer, tensor_name, shape, gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    _extend(path)
    return path


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case list():
            writer.add_array(key, value)
        case str() if key != "general.architecture":
            writer.add_string(key, value)


def _add_tensor(writer: gguf.GGUFWriter, name: str, shape: list[int], kind: gguf.GGMLQuantizationType) -> None:
    block, size = gguf.GGML_QUANT_SIZES[kind]
    rows = 1
    for extent in shape[1:]:
        rows *= extent
    # GGUFWriter takes numpy's order, the reverse of ggml's, and for raw types the shape in bytes.
    byte_shape = [*reversed(shape[1:]), shape[0] // block * size] if block > 1 else [*reversed(shape)]
    element = {"F32": numpy.float32, "F16": numpy.float16}.get(kind.name, numpy.uint8)
    writer.add_tensor_info(name, byte_shape, numpy.dtype(element), rows * shape[0] // block * size, raw_dtype=kind)


def _extend(path: Path) -> None:
    from kdmgr.gguf.reader import read_header
    from kdmgr.gguf.source import PrefixSource

    header = read_header(PrefixSource(path.read_bytes(), 1 << 50))
    with path.open("r+b") as file:
        file.truncate(header.file_bytes + header.alignment)
