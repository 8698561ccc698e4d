"""GGUF's metadata keys of one architecture, checked for type and range as they are read."""

from __future__ import annotations

from kdmgr.gguf.header import GgufHeader

# The widest number a hyper-parameter may have: llama.cpp keeps them in 32 bits.
_LIMIT = 1 << 31


class Keys:
    """`integer("block_count")` reads `llama.block_count` of a llama."""

    def __init__(self, header: GgufHeader, architecture: str) -> None:
        self._metadata = header.metadata
        self._header = header
        self._prefix = architecture

    def integer(self, key: str) -> int | None:
        """A number from 0 to 2^31; None when absent or anything else."""
        value = self._header.integer(f"{self._prefix}.{key}")
        return value if value is not None and 0 <= value < _LIMIT else None

    def number(self, key: str) -> float:
        """A number or a boolean; 0 when absent or anything else."""
        value = self._metadata.get(f"{self._prefix}.{key}")
        return float(value) if isinstance(value, int | float) else 0.0

    def per_layer(self, key: str, n_layer: int) -> tuple[int, ...] | None:
        """One number for all layers, or an array with one for each."""
        single = self.integer(key)
        if single is not None:
            return (single,) * n_layer
        value = self._array(key, n_layer)
        numbers = tuple(int(entry) for entry in value or () if isinstance(entry, int | float) and 0 <= entry < _LIMIT)
        return numbers if len(numbers) == n_layer else None

    def integers(self, key: str) -> tuple[int, ...]:
        """An array of numbers of any length; empty when absent or anything else."""
        value = self._metadata.get(f"{self._prefix}.{key}")
        return tuple(entry for entry in value if isinstance(entry, int)) if isinstance(value, tuple) else ()

    def flags(self, key: str, n_layer: int) -> tuple[bool, ...] | None:
        """An array of booleans (or of 0 and 1), one for each layer."""
        value = self._array(key, n_layer)
        return None if value is None else tuple(bool(entry) for entry in value)

    def _array(self, key: str, n_layer: int) -> tuple[object, ...] | None:
        value = self._metadata.get(f"{self._prefix}.{key}")
        return value[:n_layer] if isinstance(value, tuple) and len(value) >= n_layer else None
