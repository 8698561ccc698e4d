"""Headers that are cut, random or lying: a clear error, at once, in little memory."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from kdmgr.gguf.errors import GgufError, NeedMoreBytes
from kdmgr.gguf.header import GgufHeader
from kdmgr.gguf.reader import read_header
from kdmgr.gguf.source import FileSource, PrefixSource
from tests.gguf.forge import ARRAY, STRING, UINT32, Forge, small_model

HUGE = 1 << 60


def read_bytes(raw: bytes) -> GgufHeader:
    return read_header(FileSource(io.BytesIO(raw)))


def forge_string(length: int) -> bytes:
    forge = Forge()
    forge.add_value("general.name", STRING, struct.pack("<Q", length))
    return forge.file(64)


def forge_array(element: int, count: int) -> bytes:
    forge = Forge()
    forge.add_value("tokenizer.ggml.tokens", ARRAY, struct.pack("<IQ", element, count))
    return forge.file(64)


def forge_nested(depth: int) -> bytes:
    forge = Forge()
    raw = struct.pack("<IQ", ARRAY, 1) * depth + struct.pack("<IQ", UINT32, 0)
    forge.add_value("x", ARRAY, raw)
    return forge.file(0)


def forge_tensor(shape: tuple[int, ...], offset: int = 0) -> bytes:
    forge = Forge()
    forge.add_tensor("t", shape, 0, offset)
    return forge.file(64)


def forge_alignment(alignment: int) -> bytes:
    forge = small_model()
    forge.add_number("general.alignment", alignment)
    return forge.file(4096)


LIES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "magic only": lambda: b"GGUF",
    "another format": lambda: b"\x80\x02ctorch\n" + bytes(100),
    "version 0": lambda: b"GGUF" + bytes(100),
    "version 99": lambda: b"GGUF" + struct.pack("<I", 99) + bytes(100),
    "2^60 tensors": lambda: Forge().header(n_tensors=HUGE) + bytes(64),
    "2^60 keys": lambda: Forge().header(n_keys=HUGE) + bytes(64),
    "2^60 bytes of text": lambda: forge_string(HUGE),
    "2^60 strings": lambda: forge_array(STRING, HUGE),
    "2^60 numbers": lambda: forge_array(UINT32, HUGE),
    "2^60 arrays": lambda: forge_array(ARRAY, HUGE),
    "arrays without end": lambda: forge_nested(50),
    "unknown value type": lambda: forge_array(77, 1),
    "2^60 elements": lambda: forge_tensor((1 << 40, 1 << 40)),
    "five dimensions": lambda: forge_tensor((1, 1, 1, 1, 1)),
    "a tensor behind the end": lambda: forge_tensor((16,), offset=HUGE),
    "alignment 0": lambda: forge_alignment(0),
    "alignment 48": lambda: forge_alignment(48),
    "alignment 2^31": lambda: forge_alignment(1 << 31),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused_without_memory(lie: str) -> None:
    raw = LIES[lie]()
    tracemalloc.start()
    with pytest.raises(GgufError) as caught:
        read_bytes(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("lie", sorted(set(LIES) - {"empty", "magic only"}))
def test_lies_in_a_prefix_of_unknown_length_never_ask_without_end(lie: str) -> None:
    raw = LIES[lie]()
    prefix = raw
    for _ in range(40):
        try:
            read_header(PrefixSource(prefix, None))
        except GgufError:
            return
        except NeedMoreBytes as more:
            prefix = raw + bytes(min(more.size, 1 << 16) - len(raw))
            if more.size > 1 << 16:
                return
        else:
            assert lie in ("a tensor behind the end",)
            return
    pytest.fail("it kept asking for what does not come")


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_anywhere_is_refused(smollm_gguf: Path, keep: float) -> None:
    raw = smollm_gguf.read_bytes()
    with pytest.raises(GgufError, match="cut"):
        read_bytes(raw[: int(len(raw) * keep)])


def test_a_header_cut_at_any_byte_is_refused() -> None:
    raw = small_model().header()
    for length in range(len(raw)):
        with pytest.raises(GgufError):
            read_bytes(raw[:length])


def test_random_bytes_never_do_anything_but_fail_cleanly() -> None:
    source = random.Random(7)
    honest = small_model().file(96 + 128)
    for _ in range(3000):
        raw = bytearray(honest)
        for _ in range(source.randint(1, 8)):
            raw[source.randrange(8, len(raw))] = source.randrange(256)
        try:
            read_bytes(bytes(raw))
        except GgufError:
            continue


def test_faults_that_can_be_lived_with_are_reported() -> None:
    forge = small_model()
    forge.add_text("general.name", "Again")
    forge.add_tensor("blk.0.attn_q.weight", (32, 1), 0, 97)
    forge.add_tensor("odd", (31,), 8, 512)
    forge.add_tensor("new", (32,), 200, 1024)
    header = read_bytes(forge.file(2048))
    assert header.text("general.name") == "Tiny"
    reported = " | ".join(header.problems)
    for fault in (
        "general.name stands twice",
        "overlap",
        "not aligned",
        "whole number of Q8_0",
        "unknown tensor type 200",
    ):
        assert fault in reported
    assert header.tensors[-1].n_bytes == 2048 - 1024
