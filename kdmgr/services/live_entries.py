"""What there is to see of a chat: its phase, its turns, and remarks between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kdmgr.errors import KdmgrError
    from kdmgr.history.chat_records import ImageRecord, TurnRecord


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
    images: tuple[ImageRecord, ...] = ()
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


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that waits for its answer; `at` is that of the question whose place it takes."""

    text: str
    images: tuple[ImageRecord, ...] = ()
    at: int | None = None


class LiveEntries:
    """What there is to see, in order. `watch` is called after each change."""

    def __init__(self) -> None:
        self.entries: list[LiveTurn | Notice] = []
        self.watch: Callable[[], None] = lambda: None

    @property
    def turns(self) -> list[LiveTurn]:
        """The turns alone."""
        return [entry for entry in self.entries if isinstance(entry, LiveTurn)]

    @property
    def notices(self) -> list[Notice]:
        """The remarks alone."""
        return [entry for entry in self.entries if isinstance(entry, Notice)]

    def notice(self, notice: Notice) -> None:
        """Add a remark; one with a topic only once."""
        if not notice.topic or notice.topic not in {known.topic for known in self.notices}:
            self.entries.append(notice)
            self.watch()

    def remove(self, entries: Sequence[LiveTurn | Notice]) -> None:
        """Take these out, whoever looks will see."""
        gone = {id(entry) for entry in entries}
        self.entries = [entry for entry in self.entries if id(entry) not in gone]


class Running(Protocol):
    """Work under way."""

    def cancel(self) -> object:
        """Stop it."""
