"""Several chats: the list, going on with a saved one, branching, settings, files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from kdmgr.engines.protocol import ChatDelta, LoadedModel, ModelLoading
from kdmgr.services.live_entries import Phase
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.screens.ask_path import AskPathScreen
from kdmgr.tui.screens.chat import ChatScreen
from kdmgr.tui.screens.chat_settings import ChatSettingsScreen
from kdmgr.tui.screens.chats import ChatsScreen
from kdmgr.tui.widgets.chat_table import ChatTable
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.turns import Answer, Question
from tests.support.chat_engine import Script, stats
from tests.tui.conftest import make_services
from tests.tui.fakes import FakeServices
from tests.tui.fakes_chats import FakeChat
from tests.tui.looking import screen_text, until


class Chats:
    """A running app."""

    def __init__(self, app: KdmgrApp, pilot: Pilot[None], services: FakeServices) -> None:
        self.app, self.pilot, self.services = app, pilot, services

    @property
    def chat(self) -> ChatScreen:
        assert isinstance(self.app.screen, ChatScreen), self.app.screen
        return self.app.screen

    def text(self) -> str:
        return screen_text(self.app)

    async def open(self, *keys: str) -> None:
        """A chat with the model under the cursor of the students."""
        await self.pilot.press("f2", *keys, "enter")
        await until(self.pilot, lambda: isinstance(self.app.screen, ChatScreen) and self.ready)
        await self.pilot.pause()

    @property
    def ready(self) -> bool:
        return self.chat.phase in (Phase.READY, Phase.FAILED)

    async def ask(self, text: str) -> None:
        n_turns = len(self.chat.chat.turns)
        self.chat.box.text = text
        await self.pilot.press("enter")
        await until(self.pilot, lambda: len(self.chat.chat.turns) > n_turns and self.ready)
        await self.pilot.pause()

    async def go_to_list(self) -> None:
        self.app.pop_screen()
        await until(self.pilot, lambda: isinstance(self.app.screen, ChatsScreen))
        await self.pilot.pause(0.1)


@asynccontextmanager
async def chats(*fakes: FakeChat, services: FakeServices | None = None, width: int = 120) -> AsyncIterator[Chats]:
    services = services or make_services(catalog=2)
    services.chats, services.opened = fakes, []
    app = KdmgrApp(services)
    async with app.run_test(size=(width, 36), notifications=True) as pilot:
        await until(pilot, lambda: "● small" in screen_text(app))
        yield Chats(app, pilot, services)


def says(*answers: str) -> FakeChat:
    return FakeChat([Script([ChatDelta(answer, n_tokens=1), stats()]) for answer in answers])


async def test_an_empty_place_says_how_to_begin() -> None:
    async with chats() as on:
        await on.pilot.press("f3")
        await until(on.pilot, lambda: "No chats yet" in on.text())
        await on.pilot.press("n")
        await until(on.pilot, lambda: "choose a model" in on.text())


async def test_two_chats_are_open_and_one_streams_on() -> None:
    talker = FakeChat([Script([ChatDelta("word ", n_tokens=1)], pause=0.01, endless=True)])
    async with chats(talker, says("hi")) as on:
        await on.open()
        first = on.chat
        first.box.text = "talk"
        await on.pilot.press("enter")
        await until(on.pilot, lambda: "word word" in on.text())
        await on.open("down")
        assert on.chat is not first and "2 Chats •1" in on.text()
        assert "one model at a time" in on.text()
        await on.ask("hello")
        assert "hi" in on.text() and first.chat.streaming
        await on.go_to_list()
        text = on.text()
        assert "▸ answering" in text and "● open" in text and "chats · 2 open" in text
        await on.pilot.press("j", "enter")
        await until(on.pilot, lambda: on.app.screen is first)
        await on.pilot.press("escape")
        await until(on.pilot, lambda: not first.chat.streaming and "stopped after" in on.text())


async def test_a_saved_chat_is_found_read_and_gone_on_with() -> None:
    async with chats(says("Rayleigh **scattering**", "Mie")) as on:
        await on.open()
        await on.ask("why is the sky blue?")
        await on.ask("and clouds?")
        await on.pilot.pause(0.1)
    again = says("longer path")
    again.n_ctx = None
    async with chats(again, services=on.services) as later:
        await later.pilot.press("f3", "slash", *"rayl")
        await until(later.pilot, lambda: "chats · 1 found" in later.text() and "“Rayleigh" in later.text())
        await later.pilot.press("enter", "enter")
        await until(later.pilot, lambda: isinstance(later.app.screen, ChatScreen) and later.ready)
        await until(later.pilot, lambda: "Rayleigh scattering" in later.text() and "50.0 tok/s decode" in later.text())
        assert "152 / 4096" in later.text(), "the context it had the last time, until the server tells"
        await later.ask("and at dusk?")
        assert [message.content for message in again.requests[0].messages] == [
            "why is the sky blue?", "Rayleigh **scattering**", "and clouds?", "Mie", "and at dusk?",
        ]  # fmt: skip
        (saved,) = later.services.saved_chats.search()
        assert saved.n_turns == 3


async def test_deleting_asks_and_closes() -> None:
    async with chats(says("yes")) as on:
        await on.open()
        await on.ask("to be deleted")
        await on.go_to_list()
        await until(on.pilot, lambda: "to be deleted" in on.text())
        await on.pilot.press("d", "n")
        assert on.services.saved_chats.search()
        await on.pilot.press("d")
        await until(on.pilot, lambda: "There is no way back" in on.text())
        await on.pilot.press("y")
        await until(on.pilot, lambda: "No chats yet" in on.text())
        assert on.services.chats[0].closed and not on.services.saved_chats.search()


async def test_closing_frees_the_model_and_keeps_the_chat() -> None:
    async with chats(says("yes")) as on:
        await on.open()
        await on.ask("to be kept")
        await on.go_to_list()
        await on.pilot.press("u")
        await until(on.pilot, lambda: "○ saved" in on.text())
        assert on.services.chats[0].closed


async def test_retry_takes_the_place_of_the_last_answer() -> None:
    async with chats(says("first try", "second try")) as on:
        await on.open()
        await on.pilot.press("ctrl+r")
        assert not on.services.chats[0].requests
        await on.ask("hello")
        await on.pilot.press("ctrl+r")
        await until(on.pilot, lambda: "second try" in on.text())
        await until(on.pilot, lambda: "first try" not in on.text() and len(on.chat.query(Answer)) == 1)
        assert on.services.chats[0].asked == ["hello", "hello"]


async def test_an_earlier_question_is_edited_and_the_old_chat_stays() -> None:
    async with chats(says("a1", "a2", "a3", "b1")) as on:
        await on.open()
        for text in ("one", "two", "three"):
            await on.ask(text)
        await on.pilot.press("up", "up", "up")
        assert on.chat.box.text == "one" and "question 1 of 3" in on.text() and "2 later turns stay" in on.text()
        await on.pilot.press("down")
        assert on.chat.box.text == "two"
        await on.pilot.press("escape")
        assert on.chat.editing is None and on.chat.box.text == ""
        await on.pilot.press("up", "up", "!", "enter")
        await until(on.pilot, lambda: "b1" in on.text() and on.ready)
        assert [question.turn.question for question in on.chat.query(Question)] == ["one", "two!"]
        assert "the 2 turns from here on stay in 'one'" in on.text()
        sent = on.services.chats[0].requests[-1].messages
        assert [message.content for message in sent] == ["one", "a1", "two!"]
        branch, old = on.services.saved_chats.search()
        assert (branch.n_turns, old.n_turns, branch.parent_id) == (2, 3, old.id)


async def test_settings_hold_for_the_next_question_and_bad_ones_are_said() -> None:
    fake = says("oui")
    fake.system = "Be kind."
    async with chats(fake) as on:
        await on.open()
        await on.pilot.press("ctrl+l")
        await until(on.pilot, lambda: isinstance(on.app.screen, ChatSettingsScreen) and "Be kind." in on.text())
        form = on.app.screen
        form.query_one(TextArea).text = "Answer in French."
        form.query_one("#temperature", Input).value = "warm"
        await on.pilot.press("ctrl+s")
        await until(on.pilot, lambda: "✘ temperature" in on.text())
        form.query_one("#temperature", Input).value = "0.5"
        form.query_one("#stop", Input).value = "END | STOP"
        form.query_one("#title", Input).value = "French"
        await on.pilot.press("ctrl+s")
        await until(on.pilot, lambda: isinstance(on.app.screen, ChatScreen))
        await on.ask("yes?")
        (request,) = fake.requests
        assert request.model.system == "Answer in French."
        assert request.parameters == {"temperature": 0.5, "stop": ("END", "STOP")}
        assert on.services.saved_chats.search()[0].title == "French" and "French" in on.text()


async def test_code_is_copied_block_by_block() -> None:
    async with chats(says("```python\nprint(1)\n```\ntext\n```\nls\n```")) as on:
        await on.open()
        await on.ask("code")
        await on.pilot.press("ctrl+g")
        assert on.app.clipboard == "ls"
        await on.pilot.press("ctrl+g")
        assert on.app.clipboard == "print(1)"


async def test_a_chat_is_written_to_a_file(tmp_path: Path) -> None:
    async with chats(says("yes")) as on:
        await on.open()
        await on.ask("hello")
        await on.pilot.press("ctrl+s")
        await until(on.pilot, lambda: isinstance(on.app.screen, AskPathScreen) and "hello.md" in on.text())
        on.app.screen.query_one(Input).value = str(tmp_path / "chat.json")
        await on.pilot.press("enter")
        await until(on.pilot, lambda: (tmp_path / "chat.json").exists())
        (turn,) = json.loads((tmp_path / "chat.json").read_text())["turns"]
        assert (turn["question"], turn["answer"]) == ("hello", "yes")


async def test_a_model_that_is_partly_on_the_cpu_is_told_of_once() -> None:
    script = Script([ModelLoading(), ChatDelta("a", n_tokens=1), stats()])
    fake = FakeChat([script, script], loaded=[LoadedModel("smollm2", 100 << 20, 60 << 20, 4096, None)])
    async with chats(fake) as on:
        await on.open()
        await on.ask("one")
        await on.ask("two")
        assert on.text().count("40% of the model runs on the CPU") == 1


async def test_what_does_not_fit_is_said_before_it_is_asked() -> None:
    fake = says("ok")
    fake.n_ctx = 100
    async with chats(fake) as on:
        await on.open()
        on.chat.box.text = "word " * 100
        await on.pilot.press("enter")
        await until(on.pilot, lambda: "tokens into 100: Enter asks anyway, the start is lost" in on.text())
        assert not fake.requests
        await on.pilot.press("enter")
        await until(on.pilot, lambda: fake.requests)


async def test_a_long_chat_is_laid_out_from_its_end() -> None:
    async with chats(says(*(f"answer {n}" for n in range(30)))) as on:
        await on.open()
        for n in range(30):
            on.chat.chat.ask(f"question {n}")
            await until(on.pilot, lambda n=n: len(on.chat.chat.turns) == n + 1 and on.ready)  # type: ignore[misc]
    async with chats(services=on.services) as later:
        await later.pilot.press("f3")
        await until(later.pilot, lambda: "○ saved" in later.text())
        await later.pilot.press("enter")
        await until(later.pilot, lambda: isinstance(later.app.screen, ChatScreen) and "answer 29" in later.text())
        assert len(later.chat.query(Answer)) == 8
        await later.chat.conversation.show_earlier()
        await later.chat.conversation.show_earlier()
        assert [question.turn.question for question in later.chat.query(Question)] == [
            f"question {n}" for n in range(30)
        ]


@pytest.mark.parametrize("path", ["~nobody-of-this-name/chat.md", f"/tmp/{'x' * 300}/chat.md", "a\0b.md"])
async def test_where_a_chat_cannot_be_written_is_said(path: str) -> None:
    async with chats(says("yes")) as on:
        await on.open()
        await on.ask("hello")
        await on.pilot.press("ctrl+s")
        await until(on.pilot, lambda: isinstance(on.app.screen, AskPathScreen))
        on.app.screen.query_one(Input).value = path
        await on.pilot.press("enter")
        await until(on.pilot, lambda: "cannot write" in on.text())


async def test_the_mouse_does_what_keys_do() -> None:
    async with chats(says("one", "two", "three"), width=80) as on:
        await on.open()
        await on.ask("first?")
        await on.ask("second?")
        question = on.chat.query(Question).first()
        await on.pilot.click(question, times=2)
        await until(on.pilot, lambda: "question 1 of 2" in on.text())
        await on.pilot.press("escape")
        # The keys in the footer, and the tabs, are buttons.
        keys = on.chat.query_one(KeyLine)
        await on.pilot.click(keys, offset=(1 + keys.draw(78)[0].plain.index("settings"), 0))
        await until(on.pilot, lambda: isinstance(on.app.screen, ChatSettingsScreen))
        await on.pilot.click("#think")
        await on.pilot.pause()
        await on.pilot.press("down", "enter")
        await on.pilot.click("#save")
        await until(on.pilot, lambda: isinstance(on.app.screen, ChatScreen))
        assert on.chat.chat.session is not None and on.chat.chat.session.settings.think is True
        await on.go_to_list()
        await on.pilot.click(ChatTable, offset=(10, 1), times=2)
        await until(on.pilot, lambda: isinstance(on.app.screen, ChatScreen))


async def test_a_draft_is_not_lost_to_an_earlier_question() -> None:
    async with chats(says("one")) as on:
        await on.open()
        await on.ask("first?")
        on.chat.box.text = "a long draft"
        await on.pilot.click(on.chat.query(Question).first(), times=2)
        await until(on.pilot, lambda: "question 1 of 1" in on.text())
        await on.pilot.press("escape")
        assert on.chat.box.text == "a long draft"
        await on.pilot.click(on.chat.query(Question).first(), times=2)
        await until(on.pilot, lambda: "question 1 of 1" in on.text())
        await on.pilot.press("enter")
        await until(on.pilot, lambda: on.chat.box.text == "a long draft" and on.ready)
