"""A queue of pulls and imports: some at a time, each with its progress, paused, resumed and cancelled one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError, UsageError
from kdmgr.models.progress import Progress, Report
from kdmgr.services.transfer_rate import TransferMeter
from kdmgr.services.transfer_state import IMPORT, LayerState, Phase, Transfer, TransferState

if TYPE_CHECKING:
    from kdmgr.services.receipts import ImportReceipt

PARALLEL = 2
_TICK_S = 0.1


RunTransfer = Callable[[Transfer, Report], Awaitable["ImportReceipt | None"]]
NoteEnd = Callable[[TransferState], None]


class TransferQueue:
    """Transfers in the order in which they were added, at most `parallel` at a time. Belongs to one event loop.

    `note_end` is told of each that is done, has failed or was cancelled.
    """

    def __init__(
        self,
        run: RunTransfer,
        parallel: int = PARALLEL,
        *,
        clock: Callable[[], float] = monotonic,
        note_end: NoteEnd = lambda state: None,
    ) -> None:
        if not 1 <= parallel <= 16:
            raise UsageError(f"{parallel} pulls at a time are out of range", hint="give a number from 1 to 16")
        self._run = run
        self._parallel = parallel
        self._clock = clock
        self._note_end = note_end
        self._items: dict[str, _Item] = {}
        self._changed = asyncio.Event()
        self.began = datetime.now(UTC).replace(microsecond=0)
        """When there was nothing in it yet, to the second, as ends are written down."""

    def add(self, transfer: Transfer) -> None:
        """Queue it; one of the same model that has not ended is left as it is."""
        item = self._items.get(transfer.name)
        if item is None or item.phase.ended:
            # At the end: what was asked for again is new.
            self._items.pop(transfer.name, None)
            self._items[transfer.name] = _Item(transfer, self._clock)
        self._start()

    def pause(self, name: str) -> None:
        """Stop a pull until `resume`; what has come is kept. A pull that has ended stays so."""
        self._stop(name, Phase.PAUSED)

    def resume(self, name: str) -> None:
        """Queue a pull again that was paused, cancelled, or failed."""
        item = self._items[name]
        if item.phase in (Phase.PAUSED, Phase.CANCELLED, Phase.FAILED):
            item.requeue()
            self._start()

    def cancel(self, name: str) -> None:
        """End a pull; what has come is kept for another."""
        self._stop(name, Phase.CANCELLED)

    def remove(self, name: str) -> None:
        """Forget a transfer that has ended; others stay."""
        item = self._items.get(name)
        if item is not None and item.phase.ended and item.task is None:
            del self._items[name]
            self._changed.set()

    @property
    def is_busy(self) -> bool:
        """Whether something runs, or will as soon as there is room."""
        return any(item.phase in (Phase.RUNNING, Phase.QUEUED) for item in self._items.values())

    def states(self) -> tuple[TransferState, ...]:
        """All pulls, in their order."""
        return tuple(item.state() for item in self._items.values())

    async def watch(self) -> AsyncGenerator[tuple[TransferState, ...], None]:
        """The states again and again, until every transfer has ended. A bug in one is raised here."""
        async with aclosing(self.follow()) as changes:
            async for states in changes:
                yield states
                if all(state.phase.ended for state in states):
                    return

    async def follow(self) -> AsyncGenerator[tuple[TransferState, ...], None]:
        """The states whenever they change (at most ten times a second, at least twice while something runs).

        It has no end of its own. A bug in a transfer is raised here.
        """
        while True:
            self._changed.clear()
            for item in self._items.values():
                if item.bug is not None:
                    raise item.bug
            yield self.states()
            await asyncio.sleep(_TICK_S)
            # So that speed and time left keep moving while nothing comes.
            try:
                await asyncio.wait_for(self._changed.wait(), 0.5 if self.is_busy else None)
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Cancel what runs, and wait until it has stopped; idempotent."""
        for name in self._items:
            self.cancel(name)
        tasks = [item.task for item in self._items.values() if item.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _stop(self, name: str, phase: Phase) -> None:
        item = self._items[name]
        if item.phase.ended:
            return
        item.stop(phase)
        if item.task is not None:
            item.task.cancel()
        if phase.ended:
            self._note_end(item.state())
        self._start()

    def _start(self) -> None:
        running = sum(item.task is not None for item in self._items.values())
        for item in self._items.values():
            if running >= self._parallel:
                break
            if item.phase is Phase.QUEUED and item.task is None:
                item.begin()
                running += 1
                item.task = asyncio.create_task(self._transfer(item))
        self._changed.set()

    async def _transfer(self, item: _Item) -> None:
        def tell(progress: Progress) -> None:
            item.add(progress)
            self._changed.set()

        try:
            receipt = await self._run(item.plan, tell)
            item.end(Phase.DONE, receipt=receipt)
        except KdmgrError as error:
            item.end(Phase.FAILED, error)
        except asyncio.CancelledError:
            if item.phase is not Phase.RUNNING:
                return
            item.end(Phase.CANCELLED)
        except Exception as error:
            item.bug = error
            item.end(Phase.FAILED)
        finally:
            item.task = None
            self._start()
        self._note_end(item.state())


class _Item:
    """One transfer in the queue."""

    def __init__(self, plan: Transfer, clock: Callable[[], float]) -> None:
        self.plan = plan
        self.phase = Phase.QUEUED
        self.task: asyncio.Task[None] | None = None
        self.bug: Exception | None = None
        self._clock = clock
        self._error: KdmgrError | None = None
        self._receipt: ImportReceipt | None = None
        self._status = ""
        self._seconds = 0.0
        self._since: float | None = None
        self._meter = TransferMeter(clock)
        self._kinds = {layer.digest: layer.kind for layer in plan.layers}
        self._sizes: dict[str, int | None] = {layer.digest: layer.size for layer in plan.layers}
        self._completed: dict[str, int] = {}
        self._last: str | None = None

    def requeue(self) -> None:
        """From the start of the queue's work, but with all that has come."""
        self.phase, self._error, self._status = Phase.QUEUED, None, ""
        self._meter = TransferMeter(self._clock)

    def begin(self) -> None:
        """It runs."""
        self.phase, self._since = Phase.RUNNING, self._clock()

    def stop(self, phase: Phase) -> None:
        """It does not run any more."""
        self._seconds = self._elapsed()
        self.phase, self._since, self._status = phase, None, ""

    def end(
        self, phase: Phase, error: KdmgrError | None = None, *, receipt: ImportReceipt | None = None
    ) -> None:  # fmt: skip
        """It is over."""
        self.stop(phase)
        self._error, self._receipt = error, receipt

    def _elapsed(self) -> float:
        return self._seconds + (0.0 if self._since is None else self._clock() - self._since)

    def add(self, progress: Progress) -> None:
        """Take in one report."""
        self._status = progress.status
        digest = progress.digest
        if digest != self._last and self._last is not None and progress.status != "complete":
            self._round_up(digest)
        if digest is None:
            return
        before = self._completed.get(digest)
        if before is not None and self.phase is Phase.RUNNING:
            self._meter.add(progress.completed - before)
        self._completed[digest] = progress.completed
        self._sizes.setdefault(digest, progress.total)
        self._last = digest

    def _round_up(self, following: str | None) -> None:
        """A server goes from blob to blob without a last line for each: what comes next tells that one is done."""
        size = self._sizes.get(self._last or "")
        if self.plan.engine == "ollama" and following and self._last and size is not None:
            self._completed[self._last] = size

    def state(self) -> TransferState:
        """As it is now."""
        completed, total = self._amounts()
        running = self.phase is Phase.RUNNING
        left = None if total is None else max(total - completed, 0)
        return TransferState(
            kind=self.plan.kind,
            name=self.plan.name,
            engine=self.plan.engine,
            where=self.plan.where,
            phase=self.phase,
            status=self._status or self.phase.value,
            completed=completed,
            total=total,
            left_over=self.plan.left_over,
            bytes_s=self._meter.bytes_s if running else None,
            eta_s=self._meter.eta_s(left) if running else None,
            layers=self._layers(),
            seconds=self._elapsed(),
            error=self._error,
            receipt=self._receipt,
        )

    def _amounts(self) -> tuple[int, int | None]:
        total = self.plan.total
        if self.phase is Phase.DONE and total is not None:
            return total, total
        if self.plan.kind == IMPORT and self._last is not None:
            return self._completed[self._last], self._sizes[self._last]
        return max(sum(self._completed.values()), self.plan.here), total

    def _layers(self) -> tuple[LayerState, ...]:
        done = self.phase is Phase.DONE
        return tuple(
            LayerState(digest, self._kinds.get(digest, ""), size or 0 if done else self._completed.get(digest, 0), size)
            for digest, size in self._sizes.items()
        )
