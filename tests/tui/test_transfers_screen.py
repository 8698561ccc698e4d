"""The Transfers place: what the user sees of the queue, and does with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from kdmgr.errors import KdmgrError, NotFound
from kdmgr.services.leftovers import Leftover
from kdmgr.services.pull_receipts import PullReceipt
from kdmgr.services.transfer_log import PastTransfer
from kdmgr.services.transfer_state import Phase
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.screens.transfers import TransfersScreen
from tests.services.test_receipts import receipt as import_receipt
from tests.tui.driving import Driven
from tests.tui.fakes import FakeServices
from tests.tui.fakes_transfers import MIB, plan_of
from tests.tui.looking import screen_text, until


class On(Driven):
    @property
    def screen(self) -> TransfersScreen:
        assert isinstance(self.app.screen, TransfersScreen)
        return self.app.screen

    @property
    def phases(self) -> list[Phase]:
        return [state.phase for state in self.services.transfers.states()]

    async def pull(self, name: str) -> None:
        self.services.transfers.add(plan_of(name))
        await self.see(name)


@asynccontextmanager
async def transfers(services: FakeServices, size: tuple[int, int] = (120, 36)) -> AsyncIterator[On]:
    app = KdmgrApp(services)
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: isinstance(app.screen, TransfersScreen) and app.screen.is_mounted)
        yield On(app, pilot, services)


async def test_an_empty_place_invites(services: FakeServices) -> None:
    async with transfers(services) as on:
        await on.see("Nothing is being transferred.", "p   pull a model")


async def test_a_pull_is_planned_queued_and_shown(services: FakeServices) -> None:
    async with transfers(services) as on:
        await on.pilot.press("p", *"tiny:1b", "enter")
        await on.see("64.0 MiB", "10.00 GiB free", "Enter pulls it.")
        await on.pilot.press("enter")
        await on.see("▶ running", "Transfers ↓1", "1 running")
        on.services.scripted.bring("tiny:1b", 32 * MIB)
        await on.see("50%", "32.0 MiB of 64.0 MiB", "template")
        on.services.scripted.ends["tiny:1b"].set_result(None)
        await on.see("✔ done", "100%")
        assert "↓1" not in on.text()
        rows_before = on.services.calls.count("rows")
        assert rows_before >= 2  # the students were listed again


async def test_a_pull_that_will_not_fit_is_asked_for_twice(services: FakeServices) -> None:
    services.plans["huge"] = plan_of("huge", free=1 * MIB)
    async with transfers(services) as on:
        await on.pilot.press("p", *"huge", "enter")
        await on.see("Something speaks against it:", "are missing, 1.0 MiB are free", "Pull anyway")
        await on.pilot.press("enter")
        assert on.phases == []
        await on.pilot.press("enter")
        await until(on.pilot, lambda: on.phases == [Phase.RUNNING])


async def test_a_name_that_nobody_publishes(services: FakeServices) -> None:
    services.plans["nobody"] = NotFound("there is no model nobody", hint="look at the library")
    async with transfers(services) as on:
        await on.pilot.press("p", *"nobody", "enter")
        await on.see("there is no model nobody", "look at the library")
        await on.pilot.press("enter", "escape")
        await until(on.pilot, lambda: isinstance(on.app.screen, TransfersScreen))
        assert on.phases == []


async def test_what_has_ended_before_the_place_was_opened_is_listed_once(services: FakeServices) -> None:
    app = KdmgrApp(services)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        services.transfers.add(plan_of("a:1b"))
        await until(pilot, lambda: "a:1b" in services.scripted.ends)
        services.scripted.ends["a:1b"].set_exception(KdmgrError("the disk is full"))
        await until(pilot, lambda: services.transfer_log.newest())
        await pilot.press("3")
        await until(pilot, lambda: "1 failed" in screen_text(app))
        await pilot.pause(0.2)
        assert "past" not in screen_text(app)


async def test_pause_go_on_cancel_and_remove(services: FakeServices) -> None:
    async with transfers(services) as on:
        await on.pull("a:1b")
        await on.pilot.press("space")
        await on.see("‖ paused", "Transfers ‖1")
        await on.pilot.press("d")
        assert on.phases == [Phase.PAUSED]
        await on.pilot.press("space")
        await on.see("▶ running")
        await on.pilot.press("x")
        await on.see("– cancelled")
        await on.pilot.press("enter")
        await on.see("▶ running")
        await on.pilot.press("c", "d")
        await until(on.pilot, lambda: on.phases == [])
        # The line of this run becomes one of the past, and can be forgotten too.
        await on.see("cancelled", "past")
        for _ in range(len(services.transfer_log.newest())):
            await on.pilot.press("d")
            await on.pilot.pause(0.1)
        await on.see("Nothing is being transferred.")


async def test_a_failure_says_why_and_is_tried_again(services: FakeServices) -> None:
    async with transfers(services) as on:
        await on.pull("a:1b")
        await until(on.pilot, lambda: "a:1b" in services.scripted.ends)
        services.scripted.ends["a:1b"].set_exception(KdmgrError("the disk is full", hint="make room"))
        await on.see("✘ failed", "the disk is full", "make room")
        await on.pilot.press("enter")
        await on.see("▶ running")


async def test_what_happens_elsewhere_is_told(services: FakeServices) -> None:
    async with transfers(services) as on:
        await on.pull("a:1b")
        await on.pilot.press("1")
        await on.see("Transfers ↓1")
        services.scripted.ends["a:1b"].set_result(None)
        await on.see("a:1b has been pulled.")


async def test_leftovers_are_gone_on_with_or_removed_after_asking(services: FakeServices) -> None:
    services.left_over = [
        Leftover("half:1b", "llamacpp", "/store", 30 * MIB, 64 * MIB, (f"sha256:{'ab' * 32}",)),
        Leftover(None, "ollama", "/other", 5 * MIB, None, (f"sha256:{'ef' * 32}",)),
    ]
    async with transfers(services) as on:
        await on.see("◌ left over", "half:1b", "2 left over", "30.0 MiB of 64.0 MiB")
        await on.pilot.press("enter")
        await on.see("Enter pulls it.")
        assert services.planned == ["half:1b"]
        await on.pilot.press("escape", "d")
        await on.see("It frees 30.0 MiB.")
        await on.pilot.press("n")
        assert len(services.left_over) == 2
        await on.pilot.press("d", "y")
        await until(on.pilot, lambda: len(services.left_over) == 1)
        await until(on.pilot, lambda: "half:1b" not in on.text())
        await on.pilot.press("enter")
        await on.see("Nobody knows which model")


async def test_quitting_asks_while_something_is_transferred(services: FakeServices) -> None:
    async with transfers(services) as on:
        await on.pull("a:1b")
        await on.pilot.press("ctrl+q")
        await on.see("Leaving stops the transfer of a:1b", "Leave kdmgr?")
        await on.pilot.press("n")
        assert on.phases == [Phase.RUNNING]
        await on.pilot.press("ctrl+q")
        await on.see("Leave kdmgr?")
        await on.pilot.press("y")
        await until(on.pilot, lambda: not on.app.is_running)
    assert [state.phase for state in services.transfers.states()] == [Phase.CANCELLED]


async def test_a_receipt_of_the_past_is_read_again(services: FakeServices) -> None:
    services.receipts = [import_receipt(name="tiny:1b", imported_at="2026-01-01T00:00:00+00:00", sha256="ab" * 32)]
    async with transfers(services) as on:
        await on.see("✔ done", "1 past", "Enter opens the receipt", f"{'ab' * 8}…")
        await on.pilot.press("enter")
        await on.see("receipt of tiny:1b", "ab" * 32, "installed, unchanged")
        await on.pilot.press("c")
        assert f"sha256: {'ab' * 32}" in on.app.clipboard
        await on.pilot.press("escape", "d")
        await on.see("Nothing is being transferred.")
        assert services.receipts


async def test_what_ended_badly_is_pulled_again(services: FakeServices) -> None:
    services.transfer_log.add(
        PastTransfer("2026-01-01T00:00:00+00:00", "pull", "a:1b", "ollama", "x", "failed", 1, 9, 2.0, "broke off")
    )
    async with transfers(services) as on:
        await on.see("✘ failed", "broke off", "Enter pulls it again")
        await on.pilot.press("v")
        assert isinstance(on.app.screen, TransfersScreen)
        await on.pilot.press("enter")
        await on.see("Enter pulls it.")
        assert services.planned == ["a:1b"]


async def test_a_pull_that_is_done_has_its_receipt_at_hand(services: FakeServices) -> None:
    async with transfers(services) as on:
        await on.pull("a:1b")
        await until(on.pilot, lambda: "a:1b" in services.scripted.ends)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        services.receipts = [
            PullReceipt("a:1b", "a:1b", "registry", "registry.ollama.ai", None, None, "cd" * 32, now, "0.1")
        ]
        services.scripted.ends["a:1b"].set_result(None)
        await on.see("✔ done", "Enter shows the model, v its receipt")
        await on.pilot.press("v")
        await on.see("receipt of a:1b", "cd" * 32)


async def test_hostile_names_are_only_text(services: FakeServices) -> None:
    services.left_over = [Leftover("\x1b[31m[red]x[/]", "ollama", "[b]y", 1, None, (f"sha256:{'ab' * 32}",))]
    async with transfers(services) as on:
        await on.see("[red]x[/]", "[b]y")
        assert "\x1b" not in on.text()


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (20, 6)])
async def test_every_size_works(services: FakeServices, size: tuple[int, int]) -> None:
    async with transfers(services, size) as on:
        services.transfers.add(plan_of("registry.example.org/somebody/long-name:1b"))
        await until(on.pilot, lambda: on.screen.table.selected)
        await on.pilot.press("space")
        await until(on.pilot, lambda: on.phases == [Phase.PAUSED])
        if size[0] > 20:
            assert "long-name:1b" in on.text() and "paused" in on.text()
