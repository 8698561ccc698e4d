"""What was pulled and imported, by the app or by a command: the log of what ended, and the receipts of what came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kdmgr.services.pull_receipts import PullReceipt
from kdmgr.services.receipts import ImportReceipt, Receipt
from kdmgr.services.transfer_log import Forgotten, PastTransfer
from kdmgr.services.transfer_state import IMPORT, PULL, Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kdmgr.services.bringing import Bringing
    from kdmgr.services.receipt_story import ReceiptStory

_SLACK = timedelta(seconds=2)
"""Times are written down to the second."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One transfer that has ended, and the receipt of what it made."""

    past: PastTransfer
    receipt: Receipt | None
    """None where it made nothing, or the model has been removed or brought anew since."""


class TransferHistory:
    """All of it blocks on the disk."""

    def __init__(self, services: Bringing) -> None:
        self._services = services

    def entries(self) -> list[HistoryEntry]:
        """The newest first."""
        log = self._services.transfer_log
        return join(log.newest(), self._services.receipts.all(), log.forgotten(), str(self._services.library.own.root))

    def tell(self, receipt: Receipt) -> ReceiptStory:
        """A receipt, with what is known beside it."""
        from kdmgr.services.receipt_story import tell_receipt

        return tell_receipt(self._services, receipt)

    def forget(self, entry: HistoryEntry) -> None:
        """List it no more. Its receipt stays, as long as the model does."""
        self._services.transfer_log.forget(entry.past)

    def clear(self) -> None:
        """List nothing of this any more. The receipts stay."""
        self._services.transfer_log.clear()


def is_called(entry: HistoryEntry, name: str) -> bool:
    """Whether a user who says `name` means it: as it was asked for, or as the model is called now."""
    wanted = {name, name if ":" in name.rpartition("/")[2] else f"{name}:latest"}
    known = {entry.past.name, entry.receipt.name if entry.receipt else entry.past.name}
    return bool(wanted & known)


def join(
    log: Sequence[PastTransfer], receipts: Iterable[Receipt], forgotten: Iterable[Forgotten], store: str
) -> list[HistoryEntry]:
    """What the log says with its receipts, and the receipts of what it does not know; the newest first."""
    found: dict[PastTransfer, Receipt | None] = dict.fromkeys(log)
    rest: list[Receipt] = []
    for receipt in receipts:
        past = _find(log, receipt)
        if past is None:
            rest.append(receipt)
        elif found[past] is None or receipt.name == past.name:
            # Copies have receipts, too; a copy is no transfer.
            found[past] = receipt
    known = {_identity(receipt) for receipt in found.values() if receipt is not None}
    marks = list(forgotten)
    for receipt in rest:
        past = _of_receipt(receipt, store)
        if _identity(receipt) not in known and past is not None and not _is_forgotten(past, marks):
            known.add(_identity(receipt))
            found[past] = receipt
    entries = [HistoryEntry(past, receipt) for past, receipt in found.items()]
    return sorted(entries, key=lambda entry: datetime.fromisoformat(entry.past.at), reverse=True)


def _find(log: Sequence[PastTransfer], receipt: Receipt) -> PastTransfer | None:
    """The transfer that wrote `receipt`: the first that ended well after it was written."""
    at = _time_of(receipt)
    if at is None:
        return None
    ended = [
        past
        for past in log
        if past.kind == _kind(receipt) and past.phase == Phase.DONE and datetime.fromisoformat(past.at) >= at
    ]
    return next((past for past in reversed(ended) if _made(past, receipt, at)), None)


def _made(past: PastTransfer, receipt: Receipt, at: datetime) -> bool:
    """By its name; an import that was renamed by its time and size."""
    if isinstance(receipt, PullReceipt):
        return past.name in (receipt.name, receipt.source)
    if past.name == receipt.name:
        return True
    began = datetime.fromisoformat(past.at) - timedelta(seconds=past.seconds or 0) - _SLACK
    return began <= at and past.total in (receipt.size, sum(file.size for file in receipt.files))


def _of_receipt(receipt: Receipt, store: str) -> PastTransfer | None:
    """What a receipt alone says of a transfer."""
    at = _time_of(receipt)
    if at is None:
        return None
    size = receipt.size if isinstance(receipt, ImportReceipt) else None
    engine, where = ("ollama", receipt.server) if receipt.server else ("llamacpp", store)
    name = receipt.source if isinstance(receipt, PullReceipt) else receipt.name
    return PastTransfer(at.isoformat(), _kind(receipt), name, engine, where, Phase.DONE.value, size, size, None)


def _is_forgotten(past: PastTransfer, marks: Iterable[Forgotten]) -> bool:
    at = datetime.fromisoformat(past.at)
    return any(mark.name in (None, past.name) and at <= datetime.fromisoformat(mark.at) for mark in marks)


def _kind(receipt: Receipt) -> str:
    return PULL if isinstance(receipt, PullReceipt) else IMPORT


def _identity(receipt: Receipt) -> tuple[str, str, str | None]:
    at = receipt.pulled_at if isinstance(receipt, PullReceipt) else receipt.imported_at
    return _kind(receipt), at, receipt.manifest_digest


def _time_of(receipt: Receipt) -> datetime | None:
    """None for a receipt that somebody has written over."""
    text = receipt.pulled_at if isinstance(receipt, PullReceipt) else receipt.imported_at
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if time.tzinfo is None else time
