"""Bytes to `GgufHeader`: GGUF versions 1 to 3, both byte orders.

Format: ggml/docs/gguf.md. Token arrays are walked past; nothing is believed that the file could not hold.
"""

from __future__ import annotations

import struct

from kdmgr.gguf.cursor import Cursor
from kdmgr.gguf.errors import GgufError
from kdmgr.gguf.header import GgufHeader, LongArray, TensorInfo, Value
from kdmgr.gguf.source import Source
from kdmgr.gguf.tensors import finish_tensors
from kdmgr.gguf.types import ARRAY, SCALAR_FORMATS, STRING, TENSOR_TYPES, TensorType
from kdmgr.gguf.walk import Jumps, Walk

DEFAULT_ALIGNMENT = 32
MAX_DIMENSIONS = 4
MAX_NESTING = 4
MAX_TENSORS = 1 << 16
MAX_KEYS = 1 << 14
MAX_KEPT_NUMBERS = 1024
MAX_KEPT_STRINGS = 64
TOKEN_ARRAYS = frozenset(f"tokenizer.ggml.{name}" for name in ("tokens", "scores", "token_type", "merges"))
_NOT_A_GGUF = "download it again, or convert it: safetensors and older formats are not GGUF"


def read_header(source: Source, *, walk: Walk | None = None, jumps: Jumps | None = None) -> GgufHeader:
    """The header of the GGUF that `source` holds.

    `walk` notes how long its vocabulary is; `jumps` uses what was noted of a sibling, and raises `GgufError`
    too when the two are not alike.
    Raises `GgufError` for bytes that are no GGUF header, or whose tensors do not fit into the file;
    `NeedMoreBytes` when `source` is a prefix and the header goes on behind it.
    """
    cursor = Cursor(source, walk, jumps)
    version = _read_version(cursor)
    n_tensors = cursor.count("tensors", 20)
    n_keys = cursor.count("metadata keys", 10)
    if n_tensors > MAX_TENSORS or n_keys > MAX_KEYS:
        raise GgufError(f"the header claims {n_tensors} tensors and {n_keys} keys, more than any model has")
    problems: list[str] = []
    metadata = _read_metadata(cursor, n_keys, problems)
    rows = [_read_tensor(cursor) for _ in range(n_tensors)]
    alignment = _alignment(metadata)
    data_offset = -(-cursor.offset // alignment) * alignment
    tensors = finish_tensors(rows, alignment, data_offset, source.size, problems)
    header = GgufHeader(
        version=version,
        byte_order="little" if cursor.little_endian else "big",
        alignment=alignment,
        metadata=metadata,
        tensors=tensors,
        data_offset=data_offset,
        problems=tuple(problems),
    )
    if jumps is not None:
        jumps.check_end(header, source.size)
    return header


def _read_version(cursor: Cursor) -> int:
    magic = b"" if cursor.left < 8 else cursor.take(4)
    if magic not in (b"GGUF", b"FUGG"):
        raise GgufError("not a GGUF file: it does not begin with GGUF", hint=_NOT_A_GGUF)
    (version,) = struct.unpack("<I", cursor.take(4))
    if version & 0xFFFF == 0:
        # A small number read in the wrong byte order has its low half empty (gguf.cpp does the same).
        cursor.little_endian = False
        version = int.from_bytes(version.to_bytes(4, "little"), "big")
    if not 1 <= version <= 3:
        raise GgufError(f"GGUF version {version} is not known", hint="versions 1 to 3 are; is the file damaged?")
    cursor.wide = version > 1
    return int(version)


def _read_metadata(cursor: Cursor, n_keys: int, problems: list[str]) -> dict[str, Value]:
    metadata: dict[str, Value] = {}
    for _ in range(n_keys):
        key = cursor.key()
        value = _read_value(cursor, key, int(cursor.scalar("I")), 0)
        if key in metadata:
            problems.append(f"the key {key} stands twice; the first one counts")
        else:
            metadata[key] = value
    return metadata


def _read_value(cursor: Cursor, key: str, value_type: int, depth: int) -> Value:
    if value_type == STRING:
        return cursor.string()
    if value_type == ARRAY:
        return _read_array(cursor, key, depth + 1)
    return cursor.scalar(_scalar_format(value_type, key))


def _read_array(cursor: Cursor, key: str, depth: int) -> Value:
    element = int(cursor.scalar("I"))
    if element == ARRAY:
        return _skip_nested(cursor, key, depth)
    if element == STRING:
        count = cursor.count("strings", 8 if cursor.wide else 4)
        if count <= MAX_KEPT_STRINGS and key not in TOKEN_ARRAYS:
            return tuple(cursor.string() for _ in range(count))
        cursor.skip_array(key, count)
        return LongArray(STRING, count)
    code = _scalar_format(element, key)
    width = struct.calcsize("<" + code)
    count = cursor.count("array elements", width)
    if count <= MAX_KEPT_NUMBERS and key not in TOKEN_ARRAYS:
        return cursor.scalars(code, count)
    cursor.skip(count * width)
    return LongArray(element, count)


def _skip_nested(cursor: Cursor, key: str, depth: int) -> LongArray:
    if depth >= MAX_NESTING:
        raise GgufError(f"the value of {key} nests arrays more than {MAX_NESTING} deep")
    count = cursor.count("arrays", 8)
    for _ in range(count):
        _read_array(cursor, key, depth + 1)
    return LongArray(ARRAY, count)


def _scalar_format(value_type: int, key: str) -> str:
    try:
        return SCALAR_FORMATS[value_type]
    except KeyError:
        raise GgufError(f"the value of {key!r} has the unknown type {value_type}", hint=_NOT_A_GGUF) from None


def _read_tensor(cursor: Cursor) -> TensorInfo:
    name = cursor.string()
    n_dimensions = int(cursor.scalar("I"))
    if n_dimensions > MAX_DIMENSIONS:
        raise GgufError(f"the tensor {name!r} claims {n_dimensions} dimensions; ggml knows {MAX_DIMENSIONS}")
    shape = tuple(int(extent) for extent in cursor.scalars("Q" if cursor.wide else "I", n_dimensions))
    type_id = int(cursor.scalar("I"))
    tensor_type = TENSOR_TYPES.get(type_id) or TensorType(type_id, f"type {type_id}", 1, 0)
    return TensorInfo(name, shape, tensor_type, int(cursor.scalar("Q")), 0)


def _alignment(metadata: dict[str, Value]) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1) or alignment > 1 << 20:
        raise GgufError(f"general.alignment is {alignment!r}, not a power of two")
    return alignment
