"""What the Transfers place needs of the services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdmgr.services.leftovers import Leftover
    from kdmgr.services.pull_plan import PullOptions, PullPlan
    from kdmgr.services.receipt_story import ReceiptStory
    from kdmgr.services.receipts import Receipt
    from kdmgr.services.transfer_history import HistoryEntry
    from kdmgr.services.transfer_queue import TransferQueue


class HistoryOfTransfers(Protocol):
    """What was pulled and imported; blocks on the disk."""

    def entries(self) -> list[HistoryEntry]:
        """The newest first."""

    def tell(self, receipt: Receipt, /) -> ReceiptStory:
        """A receipt, with what is known beside it."""

    def forget(self, entry: HistoryEntry, /) -> None:
        """List one no more."""

    def clear(self) -> None:
        """List nothing of it any more."""


class TransferServices(Protocol):
    """Pulls and imports. All raise `KdmgrError` for what a user can meet."""

    @property
    def transfers(self) -> TransferQueue:
        """The one queue of the app."""

    @property
    def transfer_history(self) -> HistoryOfTransfers:
        """What has ended."""

    def plan_pull(self, text: str, options: PullOptions) -> PullPlan:
        """What a pull would do; blocks on the network."""

    def leftovers(self) -> list[Leftover]:
        """What interrupted pulls have left; blocks on the disk."""

    def remove_leftovers(self, leftovers: Sequence[Leftover]) -> None:
        """Remove it; blocks on the disk."""
