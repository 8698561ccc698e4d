"""A pull or an import: what a queue needs to know of it, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kdmgr.errors import KdmgrError
    from kdmgr.models.manifest import Layer
    from kdmgr.services.receipts import ImportReceipt

PULL, IMPORT = "pull", "import"


class Phase(StrEnum):
    """Where a transfer stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself, and nothing is expected to."""
        return self in (Phase.DONE, Phase.FAILED, Phase.CANCELLED)


class Transfer(Protocol):
    """What a queue can run: the plan of a pull, or an import. Sizes in bytes; None is unknown."""

    @property
    def kind(self) -> str:
        """`PULL` or `IMPORT`."""

    @property
    def name(self) -> str:
        """The model that it makes; a queue has one transfer for each."""

    @property
    def engine(self) -> str:
        """ "ollama" (through the server), or "llamacpp" (into kdmgr's own store)."""

    @property
    def where(self) -> str:
        """The server's address, or the store's folder."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The blobs, as far as they are known before."""

    @property
    def total(self) -> int | None:
        """Bytes of all of it."""

    @property
    def here(self) -> int:
        """Bytes that are there already."""

    @property
    def left_over(self) -> int:
        """Of these, what an interrupted transfer left."""


@dataclass(frozen=True, slots=True)
class LayerState:
    """One blob of a pull, or one step of an import. Sizes in bytes."""

    digest: str
    """Of the blob; of a step its words."""
    kind: str
    """`model`, `template` …; "" where only the server knows, and for a step."""
    completed: int
    size: int | None


@dataclass(frozen=True, slots=True)
class TransferState:
    """One transfer as it is now. Sizes in bytes, times in seconds; None is unknown."""

    kind: str
    name: str
    engine: str
    where: str
    phase: Phase
    status: str
    """What is being done, in words."""
    completed: int
    total: int | None
    """Of a running import both are its step's: a file is hashed, then sent."""
    left_over: int
    """Of `completed`, what an interrupted pull had left."""
    bytes_s: float | None
    eta_s: float | None
    layers: tuple[LayerState, ...]
    seconds: float = 0.0
    """How long it has been running, pauses not counted."""
    error: KdmgrError | None = None
    receipt: ImportReceipt | None = None
    """Of an import that is done."""

    @property
    def share(self) -> float | None:
        """How far it is, from 0 to 1."""
        if self.phase is Phase.DONE:
            return 1.0
        return min(self.completed / self.total, 1.0) if self.total else None
