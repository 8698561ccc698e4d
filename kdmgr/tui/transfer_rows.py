"""The lines of the Transfers place: what the queue holds, what interrupted pulls left, what has been. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kdmgr.services.leftovers import Leftover
from kdmgr.services.receipts import Receipt
from kdmgr.services.transfer_history import HistoryEntry
from kdmgr.services.transfer_log import PastTransfer
from kdmgr.services.transfer_state import PULL, Phase, TransferState

MARKS = {
    Phase.QUEUED: ("·", "foreground-muted"),
    Phase.RUNNING: ("▶", "primary"),
    Phase.PAUSED: ("‖", "warning"),
    Phase.DONE: ("✔", "success"),
    Phase.FAILED: ("✘", "error"),
    Phase.CANCELLED: ("–", "foreground-muted"),
}
"""A character for each phase, and the theme variable of its colour."""
_LEFT_OVER = ("◌", "warning")


@dataclass(frozen=True, slots=True)
class TransferRow:
    """One line. Sizes in bytes, times in seconds; None is unknown."""

    key: str
    item: TransferState | Leftover | PastTransfer
    entry: HistoryEntry | None = None
    """What the history has of it; None for what has not ended, and what was left over."""

    @property
    def name(self) -> str:
        """The model's name; of what somebody else left, the start of its digest."""
        return self.item.key if isinstance(self.item, Leftover) else self.item.name

    @property
    def kind(self) -> str:
        """`pull` or `import`."""
        return PULL if isinstance(self.item, Leftover) else self.item.kind

    @property
    def phase(self) -> Phase | None:
        """None for what was left over."""
        return None if isinstance(self.item, Leftover) else Phase(self.item.phase)

    @property
    def mark(self) -> tuple[str, str]:
        """A character, and a theme variable."""
        phase = self.phase
        return _LEFT_OVER if phase is None else MARKS[phase]

    @property
    def word(self) -> str:
        """How it stands."""
        phase = self.phase
        return "left over" if phase is None else phase.value

    @property
    def completed(self) -> int | None:
        """What has come."""
        return self.item.completed

    @property
    def total(self) -> int | None:
        """All of it."""
        return self.item.total

    @property
    def share(self) -> float | None:
        """How far it is, from 0 to 1."""
        if isinstance(self.item, TransferState):
            return self.item.share
        if self.phase is Phase.DONE:
            return 1.0
        return self.completed / self.total if self.completed is not None and self.total else None

    @property
    def state(self) -> TransferState | None:
        """Of one that the queue holds."""
        return self.item if isinstance(self.item, TransferState) else None

    @property
    def receipt(self) -> Receipt | None:
        """Of what it made."""
        of_import = self.state.receipt if self.state is not None else None
        return of_import or (self.entry.receipt if self.entry is not None else None)


def arrange(
    states: Sequence[TransferState], leftovers: Sequence[Leftover], past: Sequence[HistoryEntry], since: datetime
) -> list[TransferRow]:
    """The queue's first, then what is left over, then the past; nothing twice.

    Of what has ended `since` the queue began, the queue still tells more.
    """
    names = {state.name for state in states}
    done = {state.name for state in states if state.phase is Phase.DONE}
    ended = {entry.past.name: entry for entry in reversed(past) if entry.past.name in done}
    return [
        *(TransferRow(f"queue:{state.name}", state, ended.get(state.name)) for state in states),
        *(TransferRow(f"left:{left.where}:{left.key}", left) for left in leftovers if left.name not in names),
        *(
            TransferRow(f"past:{len(past) - number}:{entry.past.at}", entry.past, entry)
            for number, entry in enumerate(past)
            if entry.past.name not in names or datetime.fromisoformat(entry.past.at) < since
        ),
    ]


def describe_counts(rows: Sequence[TransferRow]) -> str:
    """The title of the table: `1 running · 2 queued · 1 left over · 14 done before`."""
    live = [row.phase for row in rows if row.state is not None]
    phases = (Phase.RUNNING, Phase.QUEUED, Phase.PAUSED, Phase.FAILED)
    counts = [f"{live.count(phase)} {phase.value}" for phase in phases if phase in live]
    left = sum(row.phase is None for row in rows)
    counts += [f"{left} left over"] if left else []
    past = len(rows) - len(live) - left
    counts += [f"{past} past"] if past else []
    return " · ".join(["transfers", *counts])
