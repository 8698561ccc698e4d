"""Runs what a queue holds, and keeps what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.models.progress import Report
from kdmgr.services.transfer_queue import PARALLEL, TransferQueue

if TYPE_CHECKING:
    from kdmgr.services.bringing import Bringing
    from kdmgr.services.receipts import ImportReceipt
    from kdmgr.services.transfer_state import Transfer


def make_queue(services: Bringing, n_parallel: int | None = None) -> TransferQueue:
    """A queue of pulls and imports; so many at a time, or as many as the settings say."""

    async def run(transfer: Transfer, report: Report) -> ImportReceipt | None:
        return await run_transfer(services, transfer, report)

    n_parallel = n_parallel or services.settings.parallel_items or PARALLEL
    return TransferQueue(run, n_parallel, note_end=services.transfer_log.note)


async def run_transfer(services: Bringing, transfer: Transfer, report: Report) -> ImportReceipt | None:
    """Carry out a pull or an import; the receipt of an import."""
    from kdmgr.services.import_transfer import ImportTransfer, run_import
    from kdmgr.services.pull_plan import PullPlan
    from kdmgr.services.pulling import pull

    if isinstance(transfer, ImportTransfer):
        return await run_import(services, transfer, report)
    assert isinstance(transfer, PullPlan)
    await pull(services, transfer, report)
    return None
