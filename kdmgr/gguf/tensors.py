"""The tensor table as a whole: each tensor's size, and whether they can stand beside each other."""

from __future__ import annotations

from dataclasses import replace

from kdmgr.gguf.errors import GgufError
from kdmgr.gguf.header import TensorInfo

# ggml keeps element counts in a signed 64-bit integer.
MAX_ELEMENTS = 1 << 62
MAX_PROBLEMS = 20


def finish_tensors(
    rows: list[TensorInfo], alignment: int, data_offset: int, size: int | None, problems: list[str]
) -> tuple[TensorInfo, ...]:
    """`rows` with their sizes in bytes, in the file's order.

    `size` is the file's length, None if unknown. Faults that a reader can live with go to `problems`;
    a tensor that ends behind the file raises `GgufError`: the file is cut.
    """
    sized = {id(row): replace(row, n_bytes=_n_bytes(row)) for row in rows}
    by_offset = sorted(rows, key=lambda row: row.offset)
    found: list[str] = []
    names: set[str] = set()
    for row, following in zip(by_offset, [*by_offset[1:], None], strict=True):
        end = following.offset if following else None if size is None else max(size - data_offset, row.offset)
        tensor = sized[id(row)]
        if tensor.type.type_size == 0:
            tensor = sized[id(row)] = replace(tensor, n_bytes=0 if end is None else end - tensor.offset)
            found.append(f"{row.name} has the unknown tensor {row.type.name}; its size is taken from its neighbour")
        found += _faults(tensor, following, alignment, names)
        names.add(row.name)
        _refuse_cut(tensor, data_offset, size)
    problems += found[:MAX_PROBLEMS]
    if len(found) > MAX_PROBLEMS:
        problems.append(f"and {len(found) - MAX_PROBLEMS} more faults of the tensor table")
    return tuple(sized[id(row)] for row in rows)


def _n_bytes(row: TensorInfo) -> int:
    n_elements = row.n_elements
    if n_elements > MAX_ELEMENTS:
        raise GgufError(f"the tensor {row.name!r} claims {n_elements} elements", hint="the file is damaged")
    if not row.shape:
        return row.type.type_size
    return row.type.row_bytes(row.shape[0]) * (n_elements // row.shape[0] if row.shape[0] else 0)


def _faults(tensor: TensorInfo, following: TensorInfo | None, alignment: int, names: set[str]) -> list[str]:
    faults = []
    if tensor.name in names:
        faults.append(f"the tensor {tensor.name} stands twice")
    if following and tensor.offset + tensor.n_bytes > following.offset:
        faults.append(f"the tensors {tensor.name} and {following.name} overlap")
    if tensor.offset % alignment:
        faults.append(f"the tensor {tensor.name} is not aligned to {alignment} bytes")
    if tensor.shape and tensor.shape[0] % tensor.type.block_size:
        faults.append(f"a row of {tensor.name} is not a whole number of {tensor.type.name} blocks")
    return faults


def _refuse_cut(tensor: TensorInfo, data_offset: int, size: int | None) -> None:
    end = data_offset + tensor.offset + tensor.n_bytes
    if size is not None and end > size:
        raise GgufError(
            f"the file is cut: tensor {tensor.name!r} ends at byte {end}, the file at {size}",
            hint="the download is incomplete; get the file again",
        )
