"""Work in a thread: what its reports raise is raised where it was asked for, the last one's too."""

from __future__ import annotations

import pytest

from kdmgr.errors import UsageError
from kdmgr.models.progress import Progress, Report
from kdmgr.services.threads import in_thread


def refuse(progress: Progress) -> None:
    raise UsageError(f"enough at {progress.completed}")


async def test_what_a_report_raises_ends_the_work() -> None:
    done: list[int] = []

    def work(report: Report) -> None:
        while True:
            report(Progress("working", None, 10, 10))
            done.append(1)

    with pytest.raises(UsageError, match="enough at 10"):
        await in_thread(work, refuse)
    assert done


async def test_what_the_last_report_raises_is_raised_though_the_work_is_done() -> None:
    def work(report: Report) -> str:
        report(Progress("working", None, 10, 10))
        return "done"

    with pytest.raises(UsageError, match="enough at 10"):
        await in_thread(work, refuse)


async def test_what_work_returns_and_raises_comes_through() -> None:
    def fail(report: Report) -> None:
        raise OSError("disk")

    assert await in_thread(lambda report: 7, refuse) == 7
    with pytest.raises(OSError, match="disk"):
        await in_thread(fail, refuse)
