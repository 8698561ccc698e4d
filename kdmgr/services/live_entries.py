"""What there is to see of a chat: its phase, its turns, and remarks between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kdmgr.errors import KdmgrError
    from kdmgr.history.chat_records import TurnRecord


class Phase(Enum):
    """What a chat is doing."""

    OPENING = "opening"
    READY = "ready"
    ANSWERING = "answering"
    STOPPING = "stopping"
    FAILED = "failed"
    """Not open: the next question tries again."""


@dataclass(eq=False)
class LiveTurn:
    """A question and what has come of its answer."""

    question: str
    images: tuple[str, ...] = ()
    pieces: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    record: TurnRecord | None = None
    """How it ended; None while it streams."""
    n_tokens: int = 0
    """Of the answer, as they came; 0 for one that was not seen to come."""
    error: KdmgrError | None = None
    """Why it failed; None of one that was not seen to."""
    counted: bool = True
    """False where they were pieces, of which nobody knows how many tokens each is."""

    @classmethod
    def saved(cls, record: TurnRecord) -> LiveTurn:
        """A turn of a chat that is gone on with."""
        return cls(record.question, record.images, [record.answer], [record.thinking], record)


@dataclass(eq=False, frozen=True)
class Notice:
    """A remark between the turns. `kind` is "note", "warning" or "error"."""

    text: str
    kind: str = "warning"
    hint: str | None = None
    topic: str = ""
    """Of remarks that are made once."""

    @property
    def is_lasting(self) -> bool:
        """Whether it is about the model, and not about what was said."""
        return self.kind == "warning" and self.topic in ("", "spill")


class Running(Protocol):
    """Work under way."""

    def cancel(self) -> object:
        """Stop it."""
