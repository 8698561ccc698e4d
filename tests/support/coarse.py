"""A coarser quant of a real model: the lowest bit of some 4-bit weights cleared, the rest as it is."""

from __future__ import annotations

from pathlib import Path

from kdmgr.models.headers import read_file_header

_LAYERS = range(26, 30)
_BLOCK, _SCALES = 20, 4
"""A block of Q4_1: two scales, then 32 weights of four bits."""


def write_coarse(source: Path, target: Path) -> Path:
    """Write the copy of `source`, whose feed-forward weights of the last layers are Q4_1."""
    raw = bytearray(source.read_bytes())
    header = read_file_header(source)
    wanted = tuple(f"blk.{layer}.ffn_down" for layer in _LAYERS)
    chosen = [tensor for tensor in header.tensors if tensor.name.startswith(wanted) and tensor.type.name == "Q4_1"]
    assert chosen, "the model has no such tensors"
    for tensor in chosen:
        start = header.data_offset + tensor.offset
        for block in range(start, start + tensor.n_bytes, _BLOCK):
            weights = slice(block + _SCALES, block + _BLOCK)
            raw[weights] = raw[weights].translate(_COARSER)
    target.write_bytes(raw)
    return target


_COARSER = bytes(value & 0xEE for value in range(256))
