"""A GGUF header put together from what /api/show tells: the keys and the tensor table, without offsets.

The server leaves out the name, the chat template, and unless it is asked to be verbose every array.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdmgr.engines.ollama.checks import count, mapping, text
from kdmgr.engines.ollama.replies import unexpected
from kdmgr.errors import Unreadable
from kdmgr.gguf.header import GgufHeader, LongArray, Scalar, TensorInfo, Value
from kdmgr.gguf.types import STRING, TENSOR_TYPES_BY_NAME, UINT32
from kdmgr.units import printable

ALIGNMENT = 32
MAX_KEPT = 1024
MAX_EXTENT = 1 << 40
# Arrays that say nothing of memory, and may be megabytes long.
BESIDE = ("tokenizer.", "general.")


def is_complete(reply: Mapping[str, Any]) -> bool:
    """Whether the header can be built from this reply: no array of the architecture's own is left out."""
    info = mapping(reply.get("model_info"))
    hidden = (key for key, value in info.items() if value is None and not key.startswith(BESIDE))
    return bool(reply.get("tensors")) and next(hidden, None) is None


def build_header(name: str, reply: Mapping[str, Any]) -> GgufHeader:
    """The header of the model called `name`.

    Raises `Unreadable` for models without tensors (those that run elsewhere) or of tensor types nobody knows.
    """
    rows = reply.get("tensors")
    if not isinstance(rows, list) or not rows:
        raise Unreadable(
            f"the server lists no tensors of {printable(name)}", hint="it runs on another computer, or is no GGUF"
        )
    tensors: list[TensorInfo] = []
    offset = 0
    for row in rows:
        tensor = _read_tensor(mapping(row), offset)
        tensors.append(tensor)
        offset += -(-tensor.n_bytes // ALIGNMENT) * ALIGNMENT
    return GgufHeader(
        version=3,
        byte_order="little",
        alignment=ALIGNMENT,
        metadata=_read_metadata(mapping(reply.get("model_info")), tensors),
        tensors=tuple(tensors),
        data_offset=0,
    )


def _read_tensor(row: Mapping[str, Any], offset: int) -> TensorInfo:
    name, kind, shape = text(row.get("name")), text(row.get("type")), row.get("shape")
    if name is None or kind is None or not isinstance(shape, list) or not 1 <= len(shape) <= 4:
        raise unexpected("a tensor has no name, type or shape")
    extents = [count(extent) for extent in shape]
    if any(extent is None or not 0 < extent < MAX_EXTENT for extent in extents):
        raise unexpected(f"the tensor {printable(name):.80} has no size")
    known = tuple(extent for extent in extents if extent is not None)
    tensor_type = TENSOR_TYPES_BY_NAME.get(kind.upper())
    if tensor_type is None:
        raise Unreadable(
            f"the tensor {printable(name):.80} has the type {printable(kind):.40}, which is not known",
            hint="plan from its file instead: kdmgr fit model.gguf",
        )
    rows = 1
    for extent in known[1:]:
        rows *= extent
    return TensorInfo(name, known, tensor_type, offset, tensor_type.row_bytes(known[0]) * rows)


def _read_metadata(info: Mapping[str, Any], tensors: list[TensorInfo]) -> dict[str, Value]:
    metadata = {key: value for key, raw in info.items() if (value := _read_value(raw)) is not None}
    # What the server counts itself is no key of the file.
    metadata.pop("general.parameter_count", None)
    embedding = next((tensor for tensor in tensors if tensor.name == "token_embd.weight"), None)
    if "tokenizer.ggml.tokens" in info and "tokenizer.ggml.tokens" not in metadata and embedding is not None:
        # llama.cpp loads only models whose embedding has one row for each token.
        metadata["tokenizer.ggml.tokens"] = LongArray(STRING, embedding.shape[-1])
    return metadata


def _read_value(raw: Any) -> Value | None:
    if isinstance(raw, list):
        if len(raw) > MAX_KEPT:
            return LongArray(STRING if isinstance(raw[0], str) else UINT32, len(raw))
        return tuple(value for entry in raw if (value := _read_scalar(entry)) is not None)
    return _read_scalar(raw)


def _read_scalar(raw: Any) -> Scalar | None:
    if isinstance(raw, float) and raw.is_integer() and abs(raw) < 1 << 53:
        # JSON does not tell the two apart: Go writes large whole numbers like 1e+06.
        return int(raw)
    return raw if isinstance(raw, bool | int | float | str) else None
