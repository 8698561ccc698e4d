"""One pull, from its plan to a model: through the server, or into kdmgr's own store. Cancelled like any task."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from kdmgr.errors import Forbidden, KdmgrError, NotFound, ServerUnreachable, Unreadable
from kdmgr.models.backoff import Backoff
from kdmgr.models.progress import Progress, Report
from kdmgr.services.pull_notes import PullNote
from kdmgr.services.pull_plan import OLLAMA, PullPlan
from kdmgr.services.pull_receipts import write_pull
from kdmgr.services.pull_sources import find_source, own_name
from kdmgr.units import format_duration

if TYPE_CHECKING:
    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.services.bringing import Bringing

LEAVE_S = 5.0
# The server tries each part of a blob again by itself; what it gives up is tried a few times more.
SERVER_BACKOFF = Backoff(first_s=1.0, tries=6)


class _Cancelled(BaseException):
    """Raised in the thread of a download that nobody wants any more."""


async def pull(services: Bringing, plan: PullPlan, report: Report) -> None:
    """Pull what `plan` says; `report` is called in this event loop. What has come is kept whatever happens."""
    name = own_name(plan.ref)
    note = PullNote(plan.name, plan.where, tuple((layer.digest, layer.size) for layer in plan.layers))
    services.pull_notes.save(name, note)
    try:
        await _pull(services, plan, report)
    except (NotFound, Forbidden, Unreadable):
        # There is nothing that another pull could go on with.
        services.pull_notes.forget(name, plan.where)
        raise
    services.pull_notes.forget(name, plan.where)


async def _pull(services: Bringing, plan: PullPlan, report: Report) -> None:
    if plan.engine != OLLAMA:
        await _in_thread(lambda tell: _pull_own(services, plan, tell), report)
        return
    engine = services.ollama_engine()
    try:
        await pull_through(engine, plan, report)
        digest = None
        # The model is there, whatever the server says when it is asked once more.
        with suppress(KdmgrError):
            listing = await engine.find(plan.name)
            digest = listing.digest if listing else None
    finally:
        await engine.close()
    await asyncio.to_thread(_keep_receipt, services, plan, digest)


def _keep_receipt(services: Bringing, plan: PullPlan, manifest_digest: str | None) -> None:
    """Write down where the model came from. It is complete without that."""
    with suppress(OSError):
        services.receipts.save(own_name(plan.ref), write_pull(services, plan, manifest_digest))


async def pull_through(
    engine: OllamaEngine, plan: PullPlan, report: Report, *, backoff: Backoff = SERVER_BACKOFF
) -> None:
    """Have the server pull; a pull that breaks off goes on where it stopped, also on a server started anew."""
    from kdmgr.engines.ollama.pulling import Damaged, PullBroke
    from kdmgr.engines.ollama.reaching import ConnectionBroke

    failed, damaged, most = 0, 0, 0
    seen: dict[str, int] = {}
    while True:
        try:
            async with aclosing(engine.pull(plan.name, insecure=plan.insecure)) as lines:
                async for line in lines:
                    if line.digest:
                        seen[line.digest] = line.completed
                    if (total := sum(seen.values())) > most:
                        failed, most = 0, total
                    report(Progress(line.status, line.digest, line.completed, line.total))
            return
        except (PullBroke, ConnectionBroke, ServerUnreachable) as error:
            damaged += isinstance(error, Damaged)
            failed += 1
            seconds = backoff.pause(failed)
            if seconds is None or damaged > 1:
                raise
            report(Progress(f"{error.message}; trying again after {format_duration(seconds)}"))
            await asyncio.sleep(seconds)


def _pull_own(services: Bringing, plan: PullPlan, report: Report) -> None:
    source = plan.source or find_source(services, plan.ref)
    stored = services.model_fetcher.fetch(own_name(plan.ref), source.blobs, source.build, report)
    _keep_receipt(services, replace(plan, source=source), stored.digest)


async def _in_thread(work: Callable[[Report], None], report: Report) -> None:
    """Run `work` in a thread; cancelling ends it at its next report, and waits for that."""
    loop, stopped = asyncio.get_running_loop(), threading.Event()

    def tell(progress: Progress) -> None:
        if stopped.is_set():
            raise _Cancelled
        loop.call_soon_threadsafe(deliver, progress)

    future: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def deliver(progress: Progress) -> None:
        try:
            report(progress)
        except BaseException as failure:
            stopped.set()
            settle(failure)

    def run() -> None:
        error: BaseException | None = None
        try:
            work(tell)
        except _Cancelled:
            error = KdmgrError("cancelled")
        except BaseException as failure:
            error = failure
        # The loop may be gone when a download that was cancelled ends late.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, daemon=True).start()
    try:
        await asyncio.shield(future)
    except asyncio.CancelledError:
        stopped.set()
        with suppress(KdmgrError, TimeoutError):
            await asyncio.wait_for(asyncio.shield(future), LEAVE_S)
        raise
