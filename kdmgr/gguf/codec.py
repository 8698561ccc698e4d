"""`GgufHeader` to compact bytes and back, for the header cache."""

from __future__ import annotations

import json
from typing import Any

from kdmgr.gguf.header import GgufHeader, LongArray, TensorInfo, Value
from kdmgr.gguf.types import TENSOR_TYPES, TensorType

FORMAT = 1
"""Raised whenever headers are encoded, or read, differently: older entries are then read anew."""


def encode_header(header: GgufHeader) -> bytes:
    """JSON without spaces; a walked-past array is `{"long": [type, length]}`."""
    body = {
        "format": FORMAT,
        "version": header.version,
        "byte_order": header.byte_order,
        "alignment": header.alignment,
        "data_offset": header.data_offset,
        "problems": header.problems,
        "metadata": {key: _encode(value) for key, value in header.metadata.items()},
        "tensors": [(row.name, row.shape, row.type.id, row.offset, row.n_bytes) for row in header.tensors],
    }
    return json.dumps(body, separators=(",", ":")).encode()


def decode_header(encoded: bytes) -> GgufHeader:
    """The header again; `ValueError` for bytes that `encode_header` of this version did not write."""
    try:
        body: dict[str, Any] = json.loads(encoded)
        if body["format"] != FORMAT:
            raise ValueError(f"header format {body['format']}")
        return GgufHeader(
            version=body["version"],
            byte_order=body["byte_order"],
            alignment=body["alignment"],
            metadata={key: _decode(value) for key, value in body["metadata"].items()},
            tensors=tuple(_decode_tensor(row) for row in body["tensors"]),
            data_offset=body["data_offset"],
            problems=tuple(body["problems"]),
        )
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError("not an encoded header") from error


def _encode(value: Value) -> object:
    return {"long": [value.value_type, value.length]} if isinstance(value, LongArray) else value


def _decode(value: Any) -> Value:
    if isinstance(value, list):
        return tuple(value)
    return LongArray(*value["long"]) if isinstance(value, dict) else value


def _decode_tensor(row: list[Any]) -> TensorInfo:
    name, shape, type_id, offset, n_bytes = row
    tensor_type = TENSOR_TYPES.get(type_id) or TensorType(type_id, f"type {type_id}", 1, 0)
    return TensorInfo(name, tuple(shape), tensor_type, offset, n_bytes)
