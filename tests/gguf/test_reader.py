"""Honest headers, in every shape they come in."""

from __future__ import annotations

import io
import time
import tracemalloc
from pathlib import Path

import gguf
import pytest

from kdmgr.gguf.codec import decode_header, encode_header
from kdmgr.gguf.errors import NeedMoreBytes
from kdmgr.gguf.header import GgufHeader, LongArray
from kdmgr.gguf.reader import read_header
from kdmgr.gguf.source import FileSource, PrefixSource
from kdmgr.gguf.types import FILE_TYPES, TENSOR_TYPES
from tests.gguf.forge import small_model


def read_file(path: Path) -> GgufHeader:
    with path.open("rb") as file:
        return read_header(FileSource(file))


@pytest.mark.parametrize("little", [True, False], ids=["little", "big"])
@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_and_byte_order_reads_the_same(version: int, little: bool) -> None:
    header = read_header(FileSource(io.BytesIO(small_model(version, little=little).file(96 + 128))))
    assert (header.version, header.byte_order) == (version, "little" if little else "big")
    assert header.text("general.name") == "Tiny"
    assert header.metadata["llama.attention.head_count_kv"] == (2, 4)
    assert header.metadata["general.tags"] == ("x", "y")
    assert [(row.name, row.shape, row.type.name, row.n_bytes) for row in header.tensors] == [
        ("token_embd.weight", (32, 2), "Q8_0", 68),
        ("blk.0.attn_q.weight", (32, 1), "F32", 128),
    ]
    assert header.problems == ()


def test_token_arrays_are_walked_past_and_not_kept() -> None:
    header = read_header(FileSource(io.BytesIO(small_model().file(96 + 128))))
    assert header.metadata["tokenizer.ggml.tokens"] == LongArray(8, 3)
    assert header.metadata["tokenizer.ggml.token_type"] == LongArray(4, 3)


@pytest.mark.parametrize("model", ["gemma_gguf", "smollm_gguf"])
def test_real_files_read_as_the_gguf_package_reads_them(model: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(model)
    ours, theirs = read_file(path), gguf.GGUFReader(path)
    fields = {key: field for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    assert set(ours.metadata) == set(fields)
    for key, value in ours.metadata.items():
        field = fields[key]
        if isinstance(value, LongArray):
            assert value.length == len(field.data)
        else:
            expected = field.contents()
            assert value == (tuple(expected) if isinstance(expected, list) else expected), key
    assert ours.data_offset == theirs.data_offset
    assert [(row.name, row.shape, row.type.id, row.n_bytes) for row in ours.tensors] == [
        (row.name, tuple(map(int, row.shape)), row.tensor_type.value, row.n_bytes) for row in theirs.tensors
    ]
    assert [ours.data_offset + row.offset for row in ours.tensors] == [row.data_offset for row in theirs.tensors]
    assert ours.problems == ()


def test_reading_takes_little_memory_and_a_small_part_of_the_packages_time(gemma_gguf: Path) -> None:
    started = time.process_time()
    gguf.GGUFReader(gemma_gguf)
    theirs = time.process_time() - started
    started = time.process_time()
    read_file(gemma_gguf)
    assert (time.process_time() - started) * 20 < theirs
    tracemalloc.start()
    read_file(gemma_gguf)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("known_size", [True, False])
def test_a_growing_prefix_asks_for_more_until_it_is_enough(smollm_gguf: Path, known_size: bool) -> None:
    whole = smollm_gguf.read_bytes()
    size = len(whole) if known_size else None
    prefix, rounds = whole[:4096], 0
    while True:
        try:
            header = read_header(PrefixSource(prefix, size))
            break
        except NeedMoreBytes as more:
            assert more.size > len(prefix)
            prefix, rounds = whole[: more.size], rounds + 1
    assert header == read_file(smollm_gguf)
    assert len(prefix) < 2 * header.data_offset
    assert rounds < 12


@pytest.mark.parametrize("model", ["gemma_gguf", "smollm_gguf"])
def test_an_encoded_header_decodes_to_itself(model: str, request: pytest.FixtureRequest) -> None:
    header = read_file(request.getfixturevalue(model))
    assert decode_header(encode_header(header)) == header


@pytest.mark.parametrize("junk", [b"", b"{}", b"[]", b"\xff", b'{"format":0}', b'{"format":1}'])
def test_what_was_not_encoded_does_not_decode(junk: bytes) -> None:
    with pytest.raises(ValueError, match="header"):
        decode_header(junk)


def test_the_type_tables_are_those_of_the_gguf_package() -> None:
    theirs = {kind.value: (kind.name, *gguf.GGML_QUANT_SIZES[kind]) for kind in gguf.GGML_QUANT_SIZES}
    ours = {kind.id: (kind.name, kind.block_size, kind.type_size) for kind in TENSOR_TYPES.values()}
    assert {id_: ours.get(id_) for id_ in theirs} == theirs
    names = {kind.value: kind.name.removeprefix("MOSTLY_").removeprefix("ALL_") for kind in gguf.LlamaFileType}
    del names[gguf.LlamaFileType.GUESSED.value]
    names[gguf.LlamaFileType.MOSTLY_MXFP4_MOE.value] = "MXFP4"
    assert {id_: FILE_TYPES.get(id_) for id_ in names} == names
