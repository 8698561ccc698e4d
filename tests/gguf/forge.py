"""GGUF bytes by hand: honest ones in every version and byte order, and lies."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

STRING, ARRAY, UINT32 = 8, 9, 4


@dataclass
class Forge:
    """Writes the pieces of a header in one version and byte order."""

    version: int = 3
    little: bool = True
    keys: list[bytes] = field(default_factory=list)
    tensors: list[bytes] = field(default_factory=list)

    def pack(self, code: str, *values: object) -> bytes:
        return struct.pack(("<" if self.little else ">") + code, *values)

    def count(self, value: int) -> bytes:
        return self.pack("Q" if self.version > 1 else "I", value)

    def string(self, text: str) -> bytes:
        raw = text.encode()
        return self.count(len(raw)) + raw

    def add_value(self, key: str, value_type: int, raw: bytes) -> None:
        self.keys.append(self.string(key) + self.pack("I", value_type) + raw)

    def add_text(self, key: str, text: str) -> None:
        self.add_value(key, STRING, self.string(text))

    def add_number(self, key: str, number: int) -> None:
        self.add_value(key, UINT32, self.pack("I", number))

    def add_strings(self, key: str, texts: list[str]) -> None:
        raw = self.pack("I", STRING) + self.count(len(texts)) + b"".join(map(self.string, texts))
        self.add_value(key, ARRAY, raw)

    def add_numbers(self, key: str, numbers: list[int]) -> None:
        raw = self.pack("I", UINT32) + self.count(len(numbers)) + self.pack(f"{len(numbers)}I", *numbers)
        self.add_value(key, ARRAY, raw)

    def add_tensor(self, name: str, shape: tuple[int, ...], type_id: int, offset: int) -> None:
        extents = b"".join(map(self.count, shape))
        head = self.string(name) + self.pack("I", len(shape)) + extents
        self.tensors.append(head + self.pack("I", type_id) + self.pack("Q", offset))

    def header(self, *, n_tensors: int | None = None, n_keys: int | None = None) -> bytes:
        counts = self.count(len(self.tensors) if n_tensors is None else n_tensors)
        counts += self.count(len(self.keys) if n_keys is None else n_keys)
        return b"GGUF" + self.pack("I", self.version) + counts + b"".join(self.keys) + b"".join(self.tensors)

    def file(self, data_bytes: int) -> bytes:
        header = self.header()
        return header + b"\0" * (-len(header) % 32 + data_bytes)


def small_model(version: int = 3, *, little: bool = True) -> Forge:
    """Two tensors and a handful of keys, token arrays included."""
    forge = Forge(version, little)
    forge.add_text("general.architecture", "llama")
    forge.add_text("general.name", "Tiny")
    forge.add_number("llama.block_count", 1)
    forge.add_strings("tokenizer.ggml.tokens", ["a", "b" * 300, ""])
    forge.add_numbers("tokenizer.ggml.token_type", [1, 2, 3])
    forge.add_numbers("llama.attention.head_count_kv", [2, 4])
    forge.add_strings("general.tags", ["x", "y"])
    forge.add_tensor("token_embd.weight", (32, 2), 8, 0)
    forge.add_tensor("blk.0.attn_q.weight", (32, 1), 0, 96)
    return forge
