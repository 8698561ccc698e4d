"""The Transfers part of the fake services: a real queue and log, over pulls that end when they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from kdmgr.errors import KdmgrError
from kdmgr.models.manifest import Layer
from kdmgr.models.progress import Progress, Report
from kdmgr.refs import HubRef, OllamaRef, parse_ref
from kdmgr.services.leftovers import Leftover
from kdmgr.services.pull_plan import PullOptions, PullPlan
from kdmgr.services.receipt_story import ReceiptStory
from kdmgr.services.receipts import ImportReceipt, Receipt
from kdmgr.services.transfer_history import HistoryEntry, join
from kdmgr.services.transfer_log import TransferLog
from kdmgr.services.transfer_queue import TransferQueue
from kdmgr.services.transfer_state import Transfer

MIB = 1 << 20
WEIGHTS = Layer("application/vnd.ollama.image.model", f"sha256:{'ab' * 32}", 64 * MIB)
TEMPLATE = Layer("application/vnd.ollama.image.template", f"sha256:{'cd' * 32}", 4096)


def plan_of(name: str, **changes: object) -> PullPlan:
    """The plan of a pull of 64 MiB into the own store."""
    ref = parse_ref(name)
    assert isinstance(ref, OllamaRef | HubRef)
    figures: dict[str, object] = {"here": 0, "left_over": 0, "free": 10 << 30, "assessment": None}
    return PullPlan(ref, "llamacpp", "/store", (WEIGHTS, TEMPLATE), **(figures | changes))  # type: ignore[arg-type]


class ScriptedTransfers:
    """Runs nothing: transfers report and end as a test says."""

    def __init__(self) -> None:
        self.reports: dict[str, Report] = {}
        self.ends: dict[str, asyncio.Future[ImportReceipt | None]] = {}

    async def run(self, transfer: Transfer, report: Report) -> ImportReceipt | None:
        """Wait for the test."""
        self.reports[transfer.name] = report
        self.ends[transfer.name] = asyncio.get_running_loop().create_future()
        return await self.ends[transfer.name]

    def bring(self, name: str, completed: int) -> None:
        """So much of the weights has come."""
        self.reports[name](Progress("downloading", WEIGHTS.digest, completed, WEIGHTS.size))


@dataclass
class FakeHistory:
    """The real log and receipts; what became of a model is told by a test."""

    services: FakeTransferServices

    def entries(self) -> list[HistoryEntry]:
        log = self.services.transfer_log
        return join(log.newest(), self.services.receipts, log.forgotten(), "/store")

    def tell(self, receipt: Receipt) -> ReceiptStory:
        return ReceiptStory(receipt, None, "installed, unchanged")

    def forget(self, entry: HistoryEntry) -> None:
        self.services.transfer_log.forget(entry.past)

    def clear(self) -> None:
        self.services.transfer_log.clear()


@dataclass
class FakeTransferServices:
    """`TransferServices`; what is pulled is planned by name."""

    scripted: ScriptedTransfers = field(default_factory=ScriptedTransfers)
    transfer_log: TransferLog = field(default_factory=lambda: TransferLog(Path(mkdtemp()) / "transfers.jsonl"))
    receipts: list[Receipt] = field(default_factory=list)
    plans: dict[str, PullPlan | KdmgrError] = field(default_factory=dict)
    planned: list[str] = field(default_factory=list)
    left_over: list[Leftover] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.transfers = TransferQueue(self.scripted.run, note_end=self.transfer_log.note)

    def plan_pull(self, text: str, options: PullOptions) -> PullPlan:
        self.planned.append(text)
        found = self.plans.get(text) or plan_of(text)
        if isinstance(found, KdmgrError):
            raise found
        return found

    @property
    def transfer_history(self) -> FakeHistory:
        return FakeHistory(self)

    def leftovers(self) -> list[Leftover]:
        return list(self.left_over)

    def remove_leftovers(self, leftovers: Sequence[Leftover]) -> None:
        self.left_over = [entry for entry in self.left_over if entry not in leftovers]
