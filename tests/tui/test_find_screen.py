"""The search of the Hub from Students: what the user asks, sees, and pulls."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from kdmgr.errors import Forbidden, NotFound, ServerUnreachable
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.screens.find import FindScreen
from kdmgr.tui.screens.students import StudentsScreen
from tests.tui.driving import Driven
from tests.tui.fakes import FakeServices
from tests.tui.fakes_find import OPUS_GGUF, R1_GGUF, entry
from tests.tui.looking import until


class On(Driven):
    @property
    def screen(self) -> FindScreen:
        assert isinstance(self.app.screen, FindScreen)
        return self.app.screen

    async def ask(self, text: str = "") -> None:
        await self.pilot.press(*text, "enter")


@asynccontextmanager
async def students(services: FakeServices, size: tuple[int, int] = (120, 36)) -> AsyncIterator[On]:
    app = KdmgrApp(services)
    async with app.run_test(size=size, notifications=True) as pilot:
        on = On(app, pilot, services)
        await on.see("● small")
        yield on


@asynccontextmanager
async def finding(services: FakeServices, size: tuple[int, int] = (120, 36)) -> AsyncIterator[On]:
    async with students(services, size) as on:
        await on.pilot.press("h")
        await until(on.pilot, lambda: isinstance(on.app.screen, FindScreen) and on.app.screen.is_mounted)
        yield on


async def test_nothing_is_asked_before_enter(services: FakeServices) -> None:
    async with finding(services) as on:
        await on.see("and not before", "by downloads")
        await on.pilot.press(*"r1")
        await on.pilot.pause(0.6)
        assert (services.hub_desk.asked, services.hub_desk.listed) == ([], [])
        await on.pilot.press("enter")
        await on.see("1 shown, of 1 repository looked at")
        assert services.hub_desk.asked == [("r1", "downloads")]


async def test_finds_come_with_student_teacher_and_what_suggests_them(services: FakeServices) -> None:
    async with finding(services) as on:
        await on.ask()
        await on.see(R1_GGUF, OPUS_GGUF, "DeepSeek-R1", "58,211", "7.6B", "2 shown, of 3 repositories looked at")
        assert "Mistral" not in on.text()
        await on.see('"Distill" in its name', "~fits")
        await on.see("Q4_K_M", "4.36 GiB", "Q8_0")
        await on.pilot.press("a")
        await on.see("c/Mistral-7B-GGUF", "3 shown")


async def test_the_files_of_what_the_cursor_rests_on_alone_are_asked_for(services: FakeServices) -> None:
    async with finding(services) as on:
        await on.ask()
        await until(on.pilot, lambda: services.hub_desk.listed)
        assert services.hub_desk.listed == [f"hf.co/{R1_GGUF}"]
        await on.pilot.press("down", "up", "down")
        await until(on.pilot, lambda: len(services.hub_desk.listed) == 2)
        await on.pilot.press("up")
        await on.pilot.pause(0.6)
        assert services.hub_desk.listed == [f"hf.co/{R1_GGUF}", f"hf.co/{OPUS_GGUF}"]


async def test_enter_pulls_the_repository_and_a_quant_by_name(services: FakeServices) -> None:
    async with finding(services) as on:
        await on.ask("r1")
        await on.see("Q8_0")
        await on.pilot.press("enter")
        await on.see("Enter pulls it.")
        await on.pilot.press("escape")
        await until(on.pilot, lambda: isinstance(on.app.screen, FindScreen))
        await on.pilot.press("tab", "tab", "down", "enter")
        await on.see("Enter pulls it.")
        assert services.planned == [f"hf.co/{R1_GGUF}", f"hf.co/{R1_GGUF}:Q8_0"]
        await on.pilot.press("enter")
        await on.see("Transfers ↓1", "see Transfers.")
        assert [state.name for state in services.transfers.states()] == [f"hf.co/{R1_GGUF}:Q8_0"]


async def test_fit_is_read_when_asked_for_and_names_the_quant_to_take(services: FakeServices) -> None:
    async with finding(services) as on:
        await on.ask("r1")
        await on.see("f reads the headers")
        await on.pilot.press("f")
        await on.see("✔ fits", "✔ Q4_K_M")
        await on.pilot.press("enter")
        await on.see("Enter pulls it.")
        (planned,) = services.planned
        assert planned.startswith(f"hf.co/{R1_GGUF}:Q")


async def test_what_cannot_be_read_is_said_beside_the_rest(services: FakeServices) -> None:
    services.hub_desk.fit_error = Forbidden("it is gated", hint="accept its conditions")
    services.hub_desk.quants_error = NotFound("the Hub has no such repository")
    async with finding(services) as on:
        await on.ask("r1")
        await on.see("the Hub has no such repository")
        await on.pilot.press("f")
        await on.see("its fit is not known: it is gated", R1_GGUF)


async def test_a_card_is_quoted_as_a_claim(services: FakeServices) -> None:
    async with finding(services) as on:
        await on.ask("r1")
        await on.see(R1_GGUF)
        await on.pilot.press("e")
        await on.see("claimed", "fine-tuned on samples")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ServerUnreachable("HF_HUB_OFFLINE is set", hint="unset it to ask the Hub"), "unset it to ask the Hub"),
        (ServerUnreachable("the Hub is asked too often (429)", hint="try again in 300 s"), "try again in 300 s"),
        (Forbidden("the Hub does not answer without a token", hint="set HF_TOKEN"), "set HF_TOKEN"),
    ],
)
async def test_a_failure_says_what_to_do_and_is_tried_again(
    services: FakeServices, error: ServerUnreachable, words: str
) -> None:
    services.hub_desk.error = error
    async with finding(services) as on:
        await on.ask("r1")
        await on.see(error.message, words, "r asks again")
        services.hub_desk.error = None
        await on.pilot.press("r")
        await on.see(R1_GGUF)


async def test_nothing_found_and_nothing_suggested(services: FakeServices) -> None:
    async with finding(services) as on:
        await on.ask("moon")
        await on.see("The Hub has no repository with GGUF files and “moon”")
        await on.pilot.press("slash", "ctrl+u", *"mistral", "enter")
        await on.see("nothing suggests a student that runs here", "a shows all")
        await on.pilot.press("a")
        await on.see("c/Mistral-7B-GGUF")


async def test_escape_stops_asking_and_a_late_answer_is_dropped(services: FakeServices) -> None:
    held = services.hub_desk.held["r1"] = threading.Event()
    services.hub_desk.waits = "the Hub is asked too often (429); waiting 20 s"
    async with finding(services) as on:
        await on.ask("r1")
        await on.see("Asking the Hub for “r1” …", "waiting 20 s", "Esc stops.")
        await on.pilot.press("escape")
        await on.see("Stopped")
        held.set()
        await on.pilot.pause(0.3)
        assert R1_GGUF not in on.text()
        await on.pilot.press("escape")
        await until(on.pilot, lambda: isinstance(on.app.screen, StudentsScreen))


async def test_the_answer_to_an_earlier_question_is_dropped(services: FakeServices) -> None:
    held = services.hub_desk.held["r1"] = threading.Event()
    async with finding(services) as on:
        await on.ask("r1")
        await on.see("Asking the Hub for “r1”")
        await on.pilot.press("slash", "ctrl+u", *"opus", "enter")
        await on.see(OPUS_GGUF)
        held.set()
        await on.pilot.pause(0.3)
        assert OPUS_GGUF in on.text() and R1_GGUF not in on.text()


async def test_sorting_asks_again_in_another_order(services: FakeServices) -> None:
    async with finding(services) as on:
        await on.ask()
        await on.see(R1_GGUF)
        await on.pilot.press("s")
        await on.see("by likes")
        await until(on.pilot, lambda: services.hub_desk.asked == [("distill", "downloads"), ("distill", "likes")])


async def test_the_link_is_copied(services: FakeServices) -> None:
    async with finding(services) as on:
        await on.ask("r1")
        await on.see(R1_GGUF)
        await on.pilot.press("c")
        await until(on.pilot, lambda: on.app.clipboard == f"https://huggingface.co/{R1_GGUF}")


async def test_a_filter_that_finds_nothing_leads_to_the_hub_with_its_words(services: FakeServices) -> None:
    async with students(services) as on:
        await on.pilot.press("slash", *"opus x")
        await on.see("Nothing matches “opus x”.", "searches the Hub for it")
        await on.pilot.press("enter")
        await until(on.pilot, lambda: isinstance(on.app.screen, FindScreen) and on.app.screen.is_mounted)
        assert (on.screen.field.value, services.hub_desk.asked) == ("opus x", [])
        await on.pilot.press("escape")
        await on.see("Nothing matches “opus x”.")
        await on.pilot.press("down", "h")
        await until(on.pilot, lambda: isinstance(on.app.screen, FindScreen) and on.app.screen.is_mounted)
        assert on.screen.field.value == "opus x"


async def test_the_palette_leads_there_from_any_place(services: FakeServices) -> None:
    async with students(services) as on:
        await on.pilot.press("3", "ctrl+p", *"find students on")
        await on.see("Find students on the Hugging Face Hub")
        await on.pilot.press("down", "enter")
        await until(on.pilot, lambda: isinstance(on.app.screen, FindScreen))


async def test_hostile_names_are_only_text(services: FakeServices) -> None:
    find = services.hub_desk.finds[0]
    odd = entry("a/b-distill", "license:[red]\x1b[31mx", updated="[b]\x1b[2J")
    services.hub_desk.finds = [replace(find, entry=odd, match=None)]
    async with finding(services) as on:
        await on.ask()
        await on.see("a/b-distill", "[red]")
        assert "\x1b" not in on.text()


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (20, 6)])
async def test_every_size_works(services: FakeServices, size: tuple[int, int]) -> None:
    async with students(services, (120, 36)) as on:
        await on.pilot.resize_terminal(*size)
        await on.pilot.press("h")
        await until(on.pilot, lambda: isinstance(on.app.screen, FindScreen) and on.app.screen.is_mounted)
        await on.ask()
        await until(on.pilot, lambda: on.screen.selected)
        await on.pilot.press("f", "down", "tab", "escape")
        await until(on.pilot, lambda: isinstance(on.app.screen, StudentsScreen))
