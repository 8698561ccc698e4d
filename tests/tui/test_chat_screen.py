"""The chat: answers that stream, stop and fail; figures, context, what a model may not do to a terminal."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual._styles_cache import StylesCache
from textual.pilot import Pilot
from textual.widgets import Collapsible, Markdown

from kdmgr.engines.protocol import ChatDelta, ModelLoading
from kdmgr.errors import EngineFailed, ServerUnreachable
from kdmgr.services.live_entries import Phase
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.screens.chat import GRACE_S, ChatScreen
from kdmgr.tui.screens.chats import ChatsScreen
from kdmgr.tui.widgets.turns import Answer, Note, Question
from tests.support.chat_engine import Script, stats
from tests.tui.conftest import make_services
from tests.tui.fakes import FakeServices
from tests.tui.fakes_chats import FakeChat
from tests.tui.looking import screen_text, until


class Chatting:
    """A running app with a chat open."""

    def __init__(self, app: KdmgrApp, pilot: Pilot[None], chat: FakeChat) -> None:
        self.app = app
        self.pilot = pilot
        self.chat = chat

    @property
    def screen(self) -> ChatScreen:
        screen = next(screen for screen in self.app.screen_stack if isinstance(screen, ChatScreen))
        assert isinstance(screen, ChatScreen)
        return screen

    def text(self) -> str:
        return screen_text(self.app)

    async def ask(self, text: str, *, wait: bool = True) -> None:
        self.screen.box.text = text
        await self.pilot.press("enter")
        if wait:
            await self.end()

    async def end(self) -> None:
        await until(self.pilot, lambda: self.screen.phase in (Phase.READY, Phase.FAILED))
        await self.pilot.pause()


@asynccontextmanager
async def chatting(
    *scripts: Script, services: FakeServices | None = None, size: tuple[int, int] = (120, 36), **chat: object
) -> AsyncIterator[Chatting]:
    services = services or make_services(catalog=2)
    services.chat = FakeChat(list(scripts), **chat)  # type: ignore[arg-type]
    app = KdmgrApp(services)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ChatScreen) and app.screen.is_mounted)
        opened = Chatting(app, pilot, services.chat)
        await until(pilot, lambda: opened.screen.phase in (Phase.READY, Phase.FAILED))
        await pilot.pause()
        yield opened


def pieces(text: str, n_tokens: int | None = 1) -> list[ChatDelta]:
    """`text` in pieces of three characters."""
    return [ChatDelta(text[at : at + 3], n_tokens=n_tokens) for at in range(0, len(text), 3)]


async def test_an_answer_and_its_figures() -> None:
    async with chatting(Script([*pieces("A **small** model.\n\n- one\n- two\n"), stats()])) as on:
        assert on.text().count("llamacpp: no server answers") == 1
        await on.ask("what is a student?")
        text = on.text()
        assert "what is a student?" in text and "A small model." in text and "• one" in text
        for figure in ("50.0 tok/s decode", "200.0 tok/s prefill", "TTFT 120 ms", "32 in (12 cached)", "120 out"):
            assert figure in text
        assert "152 / 4096" in text
        assert on.chat.asked == ["what is a student?"]


async def test_the_speed_is_live_while_it_streams() -> None:
    async with chatting(Script(pieces("word " * 60), pause=0.004, endless=True)) as on:
        await on.ask("go", wait=False)
        await until(on.pilot, lambda: " tok/s · " in on.text() and "▇" in on.text() + "█▇")
        assert on.screen.phase is Phase.ANSWERING
        shown = on.text()
        assert " tokens" in shown and "/ 4096" in shown
        await on.pilot.press("escape")
        await on.end()


async def test_the_answer_never_waits_for_its_drawing() -> None:
    async with chatting(Script(pieces("again "), pause=0.002, endless=True)) as on:
        await on.ask("go", wait=False)
        await until(on.pilot, lambda: on.screen.query(Answer))
        answer = on.screen.query(Answer).last()
        async with answer.drawing:
            laid_out, n_tokens = answer.body.n_laid_out, on.screen.chat.meter.n_tokens
            await until(on.pilot, lambda: on.screen.chat.meter.n_tokens > n_tokens + 100)
            await on.pilot.press("x")
            assert on.screen.box.text == "x", "and keys do not either"
            assert answer.body.n_laid_out == laid_out
        await until(on.pilot, lambda: answer.body.n_laid_out > laid_out + 100)
        await on.pilot.press("escape")
        await on.end()


async def test_pieces_without_a_count_are_not_called_tokens() -> None:
    async with chatting(Script(pieces("x" * 90, n_tokens=None), pause=0.01, endless=True)) as on:
        await on.ask("go", wait=False)
        await until(on.pilot, lambda: "pieces/s" in on.text())
        assert "tok/s" not in on.text()
        await on.pilot.press("escape")
        await on.end()


async def test_escape_stops_the_answer_and_then_leaves() -> None:
    async with chatting(Script(pieces("again "), pause=0.01, endless=True)) as on:
        await on.ask("go", wait=False)
        await until(on.pilot, lambda: "again" in on.text())
        await on.pilot.press("escape")
        await on.end()
        assert on.chat.n_stopped == 1
        assert "stopped after" in on.text()
        assert isinstance(on.app.screen, ChatScreen)
        await on.ask("and now?")
        assert "ok" in on.text()
        await on.pilot.press("escape")
        assert isinstance(on.app.screen, ChatScreen), "an Escape that comes a moment too late leaves nothing"
        await on.pilot.pause(GRACE_S)
        await on.pilot.press("escape")
        await until(on.pilot, lambda: isinstance(on.app.screen, ChatsScreen))
        assert not on.chat.closed


async def test_a_chat_goes_on_while_the_user_is_elsewhere() -> None:
    async with chatting(Script(pieces("again "), pause=0.01, endless=True)) as on:
        screen = on.screen
        await on.ask("go", wait=False)
        await until(on.pilot, lambda: "again" in on.text())
        await on.pilot.press("f2")
        await until(on.pilot, lambda: "2 Chats •1" in on.text())
        before = screen.chat.meter.n_tokens
        await until(on.pilot, lambda: screen.chat.meter.n_tokens > before + 20)
        assert screen._clock is None, "nothing is drawn while nobody looks"
        await on.pilot.press("f3")
        await until(on.pilot, lambda: on.app.screen is screen and "in in in" in on.text())
        await on.pilot.press("escape")
        await on.end()
        assert on.chat.n_stopped == 1
        assert "2 Chats •" not in on.text() and "stopped after" in on.text()


async def test_an_engine_that_dies_is_told_in_place_and_can_be_asked_again() -> None:
    died = EngineFailed("the engine died: [bold]out of memory[/]", hint="try a smaller context")
    async with chatting(Script(pieces("half an ans"), error=died)) as on:
        await on.ask("hello")
        text = on.text()
        assert "✘ the engine died: [bold]out of memory[/]" in text and "try a smaller context" in text
        assert "half an ans" in text and "broke off after 4 tokens" in text
        assert text.count("the engine died") == 1
        assert "0 / 4096" in text, "what failed takes no room"
        assert on.screen.box.text == "hello"
        await on.pilot.press("enter")
        await on.end()
        assert on.chat.asked == ["hello", "hello"]
        assert on.screen.query(Answer).last().text == "ok"


async def test_a_chat_that_cannot_be_opened_can_be_tried_again() -> None:
    services = make_services(catalog=2)
    services.chat_error = ServerUnreachable("no server answers at 127.0.0.1:9", hint="start one: ollama serve")
    async with chatting(services=services) as on:
        assert on.screen.phase is Phase.FAILED
        assert "no server answers" in on.text() and "start one: ollama serve" in on.text()
        await on.pilot.press("enter")
        await until(on.pilot, lambda: len(services.opened) == 2 and on.screen.phase is Phase.FAILED)
        await on.pilot.pause()
        assert on.text().count("no server answers") == 1, "the last reason only"
        services.chat_error = None
        await on.pilot.press("enter")
        await until(on.pilot, lambda: on.screen.phase is Phase.READY)
        assert "no server answers at" not in on.text()
        await on.ask("hello")
        assert on.chat.asked == ["hello"]
        assert "ok" in on.text()


async def test_a_question_typed_too_early_is_asked_when_the_model_is_open() -> None:
    services, release = make_services(catalog=2), asyncio.Event()
    services.chat_release = release
    services.chat = FakeChat()
    app = KdmgrApp(services)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: services.opened)
        await pilot.press("h", "i", "enter")
        assert services.chat.asked == []
        release.set()
        await until(pilot, lambda: services.chat.asked == ["hi"])


async def test_escape_leaves_a_chat_that_is_still_being_opened() -> None:
    services = make_services(catalog=2)
    services.chat_release = asyncio.Event()
    app = KdmgrApp(services)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: services.opened)
        assert "opening the model" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, ChatScreen))


async def test_warnings_are_shown() -> None:
    async with chatting(warnings=("the whole model runs on the CPU", "no chat template")) as on:
        text = on.text()
        assert "⚠ the whole model runs on the CPU" in text and "⚠ no chat template" in text


async def test_the_context_and_the_kv_type_of_the_table_are_used() -> None:
    services = make_services(catalog=2)
    services.chat = FakeChat()
    app = KdmgrApp(services)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "✔ fits" in screen_text(app))
        await pilot.press("right", "v", "enter")
        await until(pilot, lambda: services.opened)
    assert services.opened[0]["n_ctx"] == 8192
    assert services.opened[0]["cache_type"] == "q8_0"


HOSTILE = "[red]x[/] \x1b[31mred\x1b]0;title\x07 <b>html</b> [@click=app.quit]q[/] \u202eabc $foreground {x} **b**\r\n"


@pytest.mark.parametrize("where", ["text", "thinking", "question"])
async def test_hostile_text_stays_text(where: str) -> None:
    delta = ChatDelta(**{where: HOSTILE, "n_tokens": 1}) if where != "question" else ChatDelta("ok", n_tokens=1)  # type: ignore[arg-type]
    async with chatting(Script([delta, stats()])) as on:
        await on.ask(HOSTILE if where == "question" else "hello")
        await on.pilot.press("ctrl+o")
        await on.pilot.pause(0.1)
        text = on.text()
        assert "[red]x[/]" in text and "<b>html</b>" in text and "[@click=app.quit]q[/]" in text
        assert not {"\x1b", "\x07", "\r", "\u202e"} & set(text)


async def test_escape_codes_split_over_pieces_stay_text() -> None:
    async with chatting(Script([ChatDelta("a\x1b"), ChatDelta("[31"), ChatDelta("mb"), stats()])) as on:
        await on.ask("hello")
        assert "a\ufffd[31mb" in on.text()
        assert on.screen.query(Answer).last().text == "a\ufffd[31mb"


async def test_pasted_escape_codes_do_not_reach_the_box() -> None:
    from textual import events

    async with chatting() as on:
        on.screen.box.post_message(events.Paste("one\r\ntwo \x1b[31m"))
        await on.pilot.pause()
        assert on.screen.box.text == "one\ntwo \ufffd[31m"


async def test_thinking_is_folded_and_can_be_read() -> None:
    thought = [ChatDelta(thinking="secret thought ", n_tokens=2)] * 3
    async with chatting(Script([*thought, ChatDelta("the answer", n_tokens=2), stats()])) as on:
        await on.ask("hello")
        assert "thinking · 6 words" in on.text() and "secret thought" not in on.text()
        await on.pilot.press("ctrl+o")
        await until(on.pilot, lambda: "secret thought" in on.text())
        await on.pilot.press("ctrl+o")
        await on.pilot.pause()
        assert on.screen.query_one(Collapsible).collapsed


async def test_an_answer_without_thoughts_shows_no_fold() -> None:
    async with chatting() as on:
        await on.ask("hello")
        assert "thinking ·" not in on.text()


async def test_a_new_line_is_not_sent() -> None:
    async with chatting() as on:
        await on.pilot.press("a", "ctrl+j", "b")
        assert on.screen.box.text == "a\nb"
        assert on.chat.asked == []
        await on.pilot.press("enter")
        await on.end()
        assert on.chat.asked == ["a\nb"]
        assert on.screen.box.text == ""


async def test_nothing_is_sent_while_an_answer_streams() -> None:
    async with chatting(Script(pieces("again "), pause=0.01, endless=True)) as on:
        await on.ask("one", wait=False)
        await until(on.pilot, lambda: on.screen.phase is Phase.ANSWERING)
        await on.ask("two", wait=False)
        await on.pilot.pause()
        assert on.chat.asked == ["one"]
        assert on.screen.box.text == "two"
        await on.pilot.press("escape")
        await on.end()


async def test_a_new_chat_begins_anew() -> None:
    async with chatting() as on:
        await on.ask("hello")
        await on.pilot.press("ctrl+n")
        await on.pilot.pause()
        assert not on.screen.query(Question) and not on.screen.query(Answer)
        assert "0 / 4096" in on.text()


async def test_a_new_chat_stops_the_answer_first() -> None:
    async with chatting(Script(pieces("again "), pause=0.01, endless=True)) as on:
        await on.ask("hello", wait=False)
        await until(on.pilot, lambda: "again" in on.text())
        await on.pilot.press("ctrl+n")
        await until(on.pilot, lambda: on.screen.phase is Phase.READY and not on.screen.query(Answer))
        assert on.chat.n_stopped == 1


async def test_the_last_answer_is_copied() -> None:
    async with chatting(Script([*pieces("the **answer**"), stats()])) as on:
        await on.pilot.press("ctrl+y")
        assert on.app.clipboard == ""
        await on.ask("hello")
        await on.pilot.press("ctrl+y")
        assert on.app.clipboard == "the **answer**"


async def test_a_link_of_the_model_is_copied_and_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    async with chatting(Script([*pieces("[here](https://example.org/x)"), stats()])) as on:
        opened: list[str] = []
        monkeypatch.setattr(on.app, "open_url", lambda url, **_: opened.append(url))
        await on.ask("hello")
        markdown = on.screen.query_one(Markdown)
        markdown.post_message(Markdown.LinkClicked(markdown, "https://example.org/x"))
        await until(on.pilot, lambda: on.app.clipboard == "https://example.org/x")
        assert opened == []


async def test_a_full_context_is_warned_of_once() -> None:
    nearly = stats(n_prompt=3500, n_output=300)
    async with chatting(Script([ChatDelta("a"), nearly]), Script([ChatDelta("b"), nearly])) as on:
        await on.ask("one")
        await on.ask("two")
        assert "⚠ nearly full" in on.text() and "3800 / 4096" in on.text()
        assert len(on.screen.query(Note)) == 1


async def test_unknown_figures_are_question_marks() -> None:
    unknown = stats(n_prompt=None, n_cached=None, n_output=None, decode_s=None, ttft_s=None, total_s=None, n_ctx=None)
    async with chatting(Script([ChatDelta("a"), unknown]), n_ctx=None) as on:
        await on.ask("one")
        assert "? tok/s decode · ? tok/s prefill · TTFT ? · ? in · ? out · ?" in on.text()


async def test_loading_is_shown() -> None:
    async with chatting(Script([ModelLoading(0.42), ModelLoading(0.42)], pause=0.1, endless=True)) as on:
        await on.ask("one", wait=False)
        await until(on.pilot, lambda: "loading the model … 42%" in on.text())
        await on.pilot.press("escape")
        await on.end()


async def test_quitting_asks_only_while_an_answer_streams() -> None:
    async with chatting(Script(pieces("again "), pause=0.01, endless=True)) as on:
        await on.ask("go", wait=False)
        await until(on.pilot, lambda: "again" in on.text())
        await on.pilot.press("ctrl+q")
        await until(on.pilot, lambda: "Leave kdmgr?" in on.text())
        await on.pilot.press("n")
        await on.pilot.pause()
        assert isinstance(on.app.screen, ChatScreen) and on.screen.chat.streaming
        await on.pilot.press("ctrl+q")
        await until(on.pilot, lambda: "Leave kdmgr?" in on.text())
        await on.pilot.press("y")
        await until(on.pilot, lambda: not on.app.is_running)
    assert on.chat.closed


async def test_quitting_at_rest_asks_nothing() -> None:
    async with chatting() as on:
        await on.ask("hello")
        await on.pilot.press("ctrl+q")
        await until(on.pilot, lambda: not on.app.is_running)
    assert on.chat.closed


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (20, 6)])
async def test_every_size_works(size: tuple[int, int]) -> None:
    services = make_services(catalog=2)
    services.chat = FakeChat([Script([*pieces("some answer"), stats()])])
    app = KdmgrApp(services)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: len(services.calls) == 3 and app.screen.query("StudentTable"))
        await pilot.pause(0.2)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ChatScreen) and app.screen.phase is Phase.READY)
        on = Chatting(app, pilot, services.chat)
        await on.ask("hello")
        assert on.screen.query(Answer).last().text == "some answer"


async def test_no_timer_runs_between_answers() -> None:
    async with chatting() as on:
        assert on.screen._clock is None
        await on.ask("hello")
        assert on.screen._clock is None
        assert not on.screen.box.cursor_blink


async def test_conversations_that_were_left_are_forgotten() -> None:
    script = [*pieces("- one\n- two\n\n```python\nprint('three')\n```\n"), stats()]
    async with chatting(*[Script(script) for _ in range(8)]) as on:
        n_kept = []
        for _ in range(4):
            await on.ask("list three")
            await on.ask("list them again")
            n_kept.append(count_drawn())
            on.screen.chat.begin_anew()
            await until(on.pilot, lambda: not on.screen.query(Answer))
            await on.pilot.pause()
        assert n_kept[0] > 20
        assert n_kept[3] == n_kept[2] == n_kept[1]


def count_drawn() -> int:
    """Widgets whose lines are kept."""
    gc.collect()
    return sum(isinstance(one, StylesCache) for one in gc.get_objects())
