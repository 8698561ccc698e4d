"""Long work that blocks, from a running event loop: reported on, and stopped when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from kdmgr.errors import Interrupted
from kdmgr.models.progress import Progress, Report

T = TypeVar("T")
REPORT_S = 0.05
"""Reports come no more often than this: each of them takes the loop's time, and the interpreter from the work."""


async def in_thread(work: Callable[[Report], T], report: Report) -> T:
    """What `work` returns in another thread; its reports reach `report` in this one.

    Cancelling, or an exception of `report`, makes the next report of `work` raise; the exception is raised here.
    """
    loop, stop = asyncio.get_running_loop(), threading.Event()
    raised: list[BaseException] = []
    last = 0.0

    def deliver(progress: Progress) -> None:
        try:
            report(progress)
        except BaseException as error:
            raised.append(error)
            stop.set()

    def tell(progress: Progress) -> None:
        nonlocal last
        if stop.is_set():
            raise Interrupted("stopped")
        now = monotonic()
        if now - last >= REPORT_S or progress.completed == progress.total:
            last = now
            loop.call_soon_threadsafe(deliver, progress)

    try:
        result = await asyncio.to_thread(work, tell)
    except Interrupted:
        if not raised:
            raise
    finally:
        stop.set()
    if raised:
        raise raised[0]
    return result
