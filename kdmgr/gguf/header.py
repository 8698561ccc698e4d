"""The header of a GGUF file: metadata and tensor table, without the tokens and without the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kdmgr.gguf.types import TensorType

Scalar = bool | int | float | str


@dataclass(frozen=True, slots=True)
class LongArray:
    """An array that was walked past: only its element type (a GGUF value type id) and its length are kept."""

    value_type: int
    length: int


Value = Scalar | tuple[Scalar, ...] | LongArray


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One row of the tensor table. `shape` is in ggml's order (ne), `offset` counts from the data section."""

    name: str
    shape: tuple[int, ...]
    type: TensorType
    offset: int
    n_bytes: int

    @property
    def n_elements(self) -> int:
        """Product of the shape."""
        product = 1
        for extent in self.shape:
            product *= extent
        return product


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file says of itself."""

    version: int
    byte_order: str
    """"little" or "big"."""
    alignment: int
    metadata: Mapping[str, Value]
    tensors: tuple[TensorInfo, ...]
    data_offset: int
    """Where the data section starts: the header's length, padded to the alignment."""
    problems: tuple[str, ...] = ()
    """Faults that do not stop a reading: duplicate keys, overlapping tensors, unknown tensor types …"""

    @property
    def data_bytes(self) -> int:
        """Length of the data section, up to the end of its last tensor."""
        return max((tensor.offset + tensor.n_bytes for tensor in self.tensors), default=0)

    @property
    def file_bytes(self) -> int:
        """How long the file must be at the least."""
        return self.data_offset + self.data_bytes

    @property
    def weights_bytes(self) -> int:
        """Sum of the tensors' sizes, without padding."""
        return sum(tensor.n_bytes for tensor in self.tensors)

    @property
    def n_elements(self) -> int:
        """Parameters of the model."""
        return sum(tensor.n_elements for tensor in self.tensors)

    def text(self, key: str) -> str | None:
        """A string value; None when absent or of another type."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def integer(self, key: str) -> int | None:
        """An integer value; None when absent or of another type."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None
