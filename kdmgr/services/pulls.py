"""A queue of pulls: some at a time, each with its progress, paused, resumed and cancelled one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError, UsageError
from kdmgr.models.progress import Progress, Report
from kdmgr.services.transfer_rate import TransferMeter

if TYPE_CHECKING:
    from kdmgr.services.pull_plan import PullPlan

PARALLEL = 2
_TICK_S = 0.1


class Phase(StrEnum):
    """Where a pull stands."""

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


@dataclass(frozen=True, slots=True)
class LayerState:
    """One blob of a pull. Sizes in bytes."""

    digest: str
    kind: str
    """`model`, `template` …; "" where only the server knows."""
    completed: int
    size: int | None


@dataclass(frozen=True, slots=True)
class PullState:
    """One pull as it is now. Sizes in bytes, times in seconds; None is unknown."""

    name: str
    engine: str
    phase: Phase
    status: str
    """What is being done, in words."""
    completed: int
    total: int | None
    left_over: int
    """Of `completed`, what an interrupted pull had left."""
    bytes_s: float | None
    eta_s: float | None
    layers: tuple[LayerState, ...]
    error: KdmgrError | None = None


RunPull = Callable[["PullPlan", Report], Awaitable[None]]


class PullQueue:
    """Pulls in the order in which they were added, at most `parallel` at a time. Belongs to one event loop."""

    def __init__(self, run: RunPull, parallel: int = PARALLEL, *, clock: Callable[[], float] = monotonic) -> None:
        if not 1 <= parallel <= 16:
            raise UsageError(f"{parallel} pulls at a time are out of range", hint="give a number from 1 to 16")
        self._run = run
        self._parallel = parallel
        self._clock = clock
        self._items: dict[str, _Item] = {}
        self._changed = asyncio.Event()

    def add(self, plan: PullPlan) -> None:
        """Queue a pull; one of the same model that has not ended is left as it is."""
        item = self._items.get(plan.name)
        if item is None or item.phase.ended:
            self._items[plan.name] = _Item(plan, self._clock)
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

    def states(self) -> tuple[PullState, ...]:
        """All pulls, in their order."""
        return tuple(item.state() for item in self._items.values())

    async def watch(self) -> AsyncGenerator[tuple[PullState, ...], None]:
        """The states again and again (at most ten times a second, at least once), until every pull has ended.

        Paused pulls keep it going. A bug in a pull is raised here.
        """
        while True:
            self._changed.clear()
            for item in self._items.values():
                if item.bug is not None:
                    raise item.bug
            yield (states := self.states())
            if all(state.phase.ended for state in states):
                return
            await asyncio.sleep(_TICK_S)
            # So that speed and time left keep moving while nothing comes.
            try:
                await asyncio.wait_for(self._changed.wait(), 0.5)
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
        item.phase = phase
        if item.task is not None:
            item.task.cancel()
        self._start()

    def _start(self) -> None:
        running = sum(item.task is not None for item in self._items.values())
        for item in self._items.values():
            if running >= self._parallel:
                break
            if item.phase is Phase.QUEUED and item.task is None:
                item.phase, running = Phase.RUNNING, running + 1
                item.task = asyncio.create_task(self._pull(item))
        self._changed.set()

    async def _pull(self, item: _Item) -> None:
        def tell(progress: Progress) -> None:
            item.add(progress)
            self._changed.set()

        try:
            await self._run(item.plan, tell)
            item.end(Phase.DONE)
        except KdmgrError as error:
            item.end(Phase.FAILED, error)
        except asyncio.CancelledError:
            if item.phase is Phase.RUNNING:
                item.end(Phase.CANCELLED)
        except Exception as error:
            item.bug = error
            item.end(Phase.FAILED)
        finally:
            item.task = None
            self._start()


class _Item:
    """One pull in the queue."""

    def __init__(self, plan: PullPlan, clock: Callable[[], float]) -> None:
        self.plan = plan
        self.phase = Phase.QUEUED
        self.task: asyncio.Task[None] | None = None
        self.bug: Exception | None = None
        self._clock = clock
        self._error: KdmgrError | None = None
        self._status = ""
        self._meter = TransferMeter(clock)
        self._kinds = {layer.digest: layer.kind for layer in plan.layers}
        self._sizes: dict[str, int | None] = {layer.digest: layer.size for layer in plan.layers}
        self._completed: dict[str, int] = {}
        self._last: str | None = None

    def requeue(self) -> None:
        """From the start of the queue's work, but with all that has come."""
        self.phase, self._error, self._status = Phase.QUEUED, None, ""
        self._meter = TransferMeter(self._clock)

    def end(self, phase: Phase, error: KdmgrError | None = None) -> None:
        """It is over."""
        self.phase, self._error, self._status = phase, error, ""

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

    def state(self) -> PullState:
        """As it is now."""
        total = self.plan.total
        completed = max(sum(self._completed.values()), self.plan.here)
        if self.phase is Phase.DONE and total is not None:
            completed = total
        running = self.phase is Phase.RUNNING
        left = None if total is None else max(total - completed, 0)
        return PullState(
            name=self.plan.name,
            engine=self.plan.engine,
            phase=self.phase,
            status=self._status or self.phase.value,
            completed=completed,
            total=total,
            left_over=self.plan.left_over,
            bytes_s=self._meter.bytes_s if running else None,
            eta_s=self._meter.eta_s(left) if running else None,
            layers=self._layers(),
            error=self._error,
        )

    def _layers(self) -> tuple[LayerState, ...]:
        done = self.phase is Phase.DONE
        return tuple(
            LayerState(digest, self._kinds.get(digest, ""), size or 0 if done else self._completed.get(digest, 0), size)
            for digest, size in self._sizes.items()
        )
