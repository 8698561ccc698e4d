"""Jumping through the vocabulary that a sibling has as well: the same header, from less bytes, or an error."""

from __future__ import annotations

import pytest

from kdmgr.gguf.errors import GgufError
from kdmgr.gguf.header import GgufHeader
from kdmgr.gguf.reader import read_header
from kdmgr.gguf.source import PrefixSource
from kdmgr.gguf.walk import Walk
from tests.gguf.forge import Forge

TOKENS = [f"token {number}" for number in range(40_000)]


class CountingSource(PrefixSource):
    def __init__(self, content: bytes) -> None:
        super().__init__(content, len(content))
        self.bytes_read = 0

    def read_at(self, offset: int, size: int) -> bytes:
        piece = super().read_at(offset, size)
        self.bytes_read += len(piece)
        return piece


def model(
    quant: int, tokens: list[str] | None = None, *, extra: str = "", after: str = "merges", slack: int = 0
) -> bytes:
    forge = Forge()
    forge.add_text("general.architecture", "llama")
    if extra:
        forge.add_text("quantize.imatrix.file", extra)
    forge.add_strings("tokenizer.ggml.tokens", TOKENS if tokens is None else tokens)
    forge.add_strings(f"tokenizer.ggml.{after}", TOKENS[:20_000])
    forge.add_number("general.file_type", quant)
    forge.add_tensor("token_embd.weight", (32, 2), quant, 0)
    return forge.file({0: 256, 8: 68}[quant] + slack)


def walked() -> tuple[Walk, GgufHeader]:
    walk = Walk()
    return walk, read_header(CountingSource(model(0)), walk=walk)


def test_a_sibling_is_read_from_a_fraction_of_its_bytes() -> None:
    walk, first = walked()
    content = model(8, extra="a key that the first has not")
    source = CountingSource(content)
    header = read_header(source, jumps=walk.jumps())
    assert header == read_header(CountingSource(content))
    assert header.tensors != first.tensors
    assert source.bytes_read < len(content) / 4


@pytest.mark.parametrize(
    "content",
    [
        model(8, [*TOKENS[:-1], "x"]),
        model(8, [*TOKENS[:-1], TOKENS[-1] + "!"]),
        model(8, after="other"),
        model(8, slack=32),
        model(8)[:-40],
    ],
    ids=["shorter", "longer", "another key", "longer file", "cut file"],
)
def test_what_is_not_alike_is_found_out(content: bytes) -> None:
    walk, _first = walked()
    with pytest.raises(GgufError):
        read_header(CountingSource(content), jumps=walk.jumps())


def test_a_vocabulary_of_another_size_is_walked() -> None:
    walk, _first = walked()
    content = model(8, TOKENS[:1000])
    assert read_header(CountingSource(content), jumps=walk.jumps()) == read_header(CountingSource(content))


def test_what_is_learned_first_stays() -> None:
    walk, _first = walked()
    other = Walk()
    read_header(CountingSource(model(8, TOKENS[:1000])), walk=other)
    empty = Walk()
    assert not empty
    for learned in (walk, other):
        empty.learn(learned)
    assert empty
    content = model(8)
    source = CountingSource(content)
    read_header(source, jumps=empty.jumps())
    assert source.bytes_read < len(content) / 4
