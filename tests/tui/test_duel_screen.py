"""The duel: two answers side by side, the place where they part, stopping, asking again in another way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from kdmgr.errors import EngineFailed, NotFound
from kdmgr.services.duel import Duel
from kdmgr.services.duel_schedule import Order
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.duel_words import Phase
from kdmgr.tui.screens.chat import GRACE_S
from kdmgr.tui.screens.confirm import ConfirmScreen
from kdmgr.tui.screens.duel import DuelScreen
from kdmgr.tui.screens.duel_settings import DuelSettingsScreen
from kdmgr.tui.screens.opponents import OpponentScreen
from tests.support.duelling import IN_TURN, Canned, duel_of
from tests.tui.conftest import make_services
from tests.tui.fakes import FakeServices
from tests.tui.looking import screen_text, until

WIDE, NARROW, TINY = (120, 36), (80, 24), (60, 20)


class Duelling:
    """A running app with a duel open."""

    def __init__(self, app: KdmgrApp, pilot: Pilot[None], services: FakeServices) -> None:
        self.app, self.pilot, self.services = app, pilot, services

    @property
    def screen(self) -> DuelScreen:
        screen = next(screen for screen in self.app.screen_stack if isinstance(screen, DuelScreen))
        assert isinstance(screen, DuelScreen)
        return screen

    def text(self) -> str:
        return screen_text(self.app)

    async def ask(self, text: str = "what is the sea?", *, wait: bool = True) -> None:
        before = self.screen.ended
        self.screen.box.text = text
        await self.pilot.press("enter")
        await until(self.pilot, lambda: self.screen.phase is Phase.ANSWERING or self.screen.ended > before)
        if wait:
            await self.end()

    async def end(self) -> None:
        await until(self.pilot, lambda: self.screen.phase in (Phase.READY, Phase.FAILED))
        await self.pilot.pause()


@asynccontextmanager
async def duelling(
    *duels: Duel, size: tuple[int, int] = WIDE, error: NotFound | None = None
) -> AsyncIterator[Duelling]:
    services = make_services(catalog=2)
    services.duels, services.duel_error = list(duels), error
    app = KdmgrApp(services)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(app))
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, OpponentScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DuelScreen) and app.screen.is_mounted)
        opened = Duelling(app, pilot, services)
        await opened.end()
        yield opened


def slow(left: str, right: str) -> Duel:
    duel, _ = duel_of(left, right)
    for side in (duel.left, duel.right):
        assert isinstance(side, Canned)
        side.pause = 0.01
    return duel


@pytest.mark.parametrize("size", [WIDE, NARROW, TINY])
async def test_both_answers_their_figures_and_where_they_part(size: tuple[int, int]) -> None:
    async with duelling(size=size) as on:
        await on.ask()
        text = on.text()
        assert "The sea is ▶wide." in text and "The sea is ▶deep." in text
        assert text.count("TTFT 100 ms") == 2
        assert "≠ they part" in text
        if size != TINY:
            assert "word 4: “wide.” | “deep.”" in text and "at 11 of 12 places" in text


async def test_the_same_answers_carry_no_mark() -> None:
    async with duelling(duel_of("The sea.", "The sea.")[0]) as on:
        await on.ask()
        assert "= the same" in on.text() and "▶" not in on.text()


async def test_side_by_side_where_there_is_room_else_one_above_the_other() -> None:
    async with duelling() as on:
        assert on.screen.left.region.y == on.screen.right.region.y
        await on.pilot.resize_terminal(*NARROW)
        await until(on.pilot, lambda: on.screen.left.region.y < on.screen.right.region.y)
        assert on.screen.left.region.x == on.screen.right.region.x


async def test_the_second_waits_for_its_turn() -> None:
    duel = slow("a" * 400, "b" * 400)
    duel.schedule = IN_TURN
    async with duelling(duel) as on:
        await on.ask(wait=False)
        await until(on.pilot, lambda: "aaa" in on.text() and "waits for its turn" in on.text())
        assert "tok/s" in on.text() and "in turn: they do not fit" in on.text()
        await on.pilot.press("escape")
        await on.end()


async def test_escape_stops_both_and_then_leaves() -> None:
    duel = slow("a" * 2000, "b" * 2000)
    async with duelling(duel) as on:
        await on.ask(wait=False)
        await until(on.pilot, lambda: "aaa" in on.text() and "bbb" in on.text())
        await on.pilot.press("ctrl+q")
        await until(on.pilot, lambda: isinstance(on.app.screen, ConfirmScreen))
        await on.pilot.press("n")
        await on.pilot.press("escape")
        await on.end()
        assert on.text().count("stopped after ") == 2
        assert all(isinstance(side, Canned) and side.stopped for side in (duel.left, duel.right))
        await on.pilot.pause(GRACE_S)
        await on.pilot.press("escape")
        await until(on.pilot, lambda: not isinstance(on.app.screen, DuelScreen))


async def test_a_side_that_fails_says_why_and_the_other_answers() -> None:
    failing = EngineFailed("no [memory] left", hint="a smaller quant needs less")
    async with duelling(duel_of("wi", "deep", A=failing)[0]) as on:
        await on.ask(wait=False)
        await until(on.pilot, lambda: "deep" in on.text() and "broke off after 2 tokens" in on.text())
        assert "no [memory] left" in on.text() and "a smaller quant needs less" in on.text()
        assert "TTFT" in on.text()


async def test_what_cannot_be_opened_says_why_and_the_question_stays() -> None:
    async with duelling(error=NotFound("no such model", hint="kdmgr pull it")) as on:
        assert "no such model" in on.text() and "kdmgr pull it" in on.text()
        on.services.duel_error = None
        await on.ask(wait=False)
        await until(on.pilot, lambda: "≠ they part" in on.text())


async def test_enter_alone_opens_what_could_not_be_opened() -> None:
    async with duelling(error=NotFound("no such model")) as on:
        assert "not open: Enter tries again" in on.text()
        on.services.duel_error = None
        await on.pilot.press("enter")
        await until(on.pilot, lambda: on.screen.phase is Phase.READY and "type a question for both" in on.text())


async def test_again_with_another_seed_and_temperature() -> None:
    duel, _ = duel_of("wide", "deep")
    async with duelling(duel) as on:
        await on.ask()
        await on.pilot.press("ctrl+l")
        await until(on.pilot, lambda: isinstance(on.app.screen, DuelSettingsScreen))
        on.app.screen.query_one("#field-seed", Input).value = "7"
        on.app.screen.query_one("#field-temperature", Input).value = "hot"
        await on.pilot.press("enter")
        await until(on.pilot, lambda: "'hot' is no number" in on.text())
        on.app.screen.query_one("#field-temperature", Input).value = "0.7"
        await on.pilot.press("enter")
        await until(on.pilot, lambda: "seed 7 · temperature 0.7" in on.text())
        await on.end()
        assert isinstance(duel.left, Canned)
        assert duel.left.parameters == {"seed": 7, "temperature": 0.7, "num_predict": 256}
        assert len(on.services.duel_options) == 1, "another seed needs no other load"


async def test_another_order_is_planned_anew() -> None:
    first, diary = duel_of("wide", "deep")
    async with duelling(first) as on:
        await on.pilot.press("ctrl+l")
        await until(on.pilot, lambda: isinstance(on.app.screen, DuelSettingsScreen))
        on.app.screen.query_one("#field-order", Input).value = "in turn"
        await on.pilot.press("enter")
        await until(on.pilot, lambda: len(on.services.duel_options) == 2)
        assert on.services.duel_options[-1].order is Order.IN_TURN
        assert {"A closed", "B closed"} <= set(diary)
        await on.end()


async def test_b_reads_a() -> None:
    async with duelling() as on:
        await on.ask()
        await on.pilot.press("ctrl+g")
        await until(on.pilot, lambda: "A read by B" in on.text())
        assert "of 16 places" in on.text()


async def test_scrolling_one_scrolls_both() -> None:
    left, right = ("".join(f"{side}{line}\n" for line in range(90)) for side in "ab")
    async with duelling(duel_of(left, right)[0]) as on:
        await on.ask()
        assert "a0" in on.text() and "b0" in on.text()
        await on.pilot.press("pagedown")
        await until(on.pilot, lambda: on.screen.left.scroll.scroll_y == on.screen.right.scroll.scroll_y > 0)
        on.screen.right.scroll.scroll_to(y=50, animate=False)
        await until(on.pilot, lambda: on.screen.left.scroll.scroll_y == 50)
        await until(on.pilot, lambda: "a50" in on.text() and "b50" in on.text())


async def test_what_a_model_says_is_never_markup_nor_obeyed() -> None:
    async with duelling(duel_of("[red]x[/] \x1b[31mred", "[red]x[/] \x1b[31mblue")[0]) as on:
        await on.ask()
        assert on.text().count("[red]x[/]") == 2 and "\x1b" not in on.text()


async def test_a_place_that_is_far_down_is_scrolled_to() -> None:
    shared = "".join(f"line {number}\n" for number in range(60))
    async with duelling(duel_of(f"{shared}wide", f"{shared}deep")[0], size=NARROW) as on:
        await on.ask()
        await until(on.pilot, lambda: "▶wide" in on.text() and "▶deep" in on.text())


async def test_both_answers_can_be_copied() -> None:
    async with duelling() as on:
        await on.pilot.press("ctrl+y")
        await until(on.pilot, lambda: "nothing to copy yet" in on.text())
        await on.ask("what is the sea?")
        await on.pilot.press("ctrl+y")
        copied = on.app.clipboard
        assert copied.startswith("what is the sea?\n\n## large\n\nThe sea is wide.")
        assert "The sea is deep." in copied and "≠ they part" in copied
