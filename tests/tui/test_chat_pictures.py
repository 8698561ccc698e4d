"""Pictures in a chat: where they are seen, how they come in, what becomes of them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input

from kdmgr.errors import EngineFailed
from kdmgr.tui.screens.ask_path import AskPathScreen
from kdmgr.tui.screens.chat import ChatScreen
from tests.support.chat_engine import Script
from tests.tui.fakes_chats import FakeChat
from tests.tui.looking import until
from tests.tui.test_chats import Chats, chats, says

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", 640, 480)
WORDS = "cat.png · PNG 640×480 · 24 B"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    return path


def sees(*answers: str) -> FakeChat:
    fake = says(*answers)
    fake.sees_images = True
    return fake


async def paste(on: Chats, text: str) -> None:
    on.chat.box.post_message(events.Paste(text))
    await on.pilot.pause(0.05)


async def attach(on: Chats, path: Path, words: str = WORDS) -> None:
    await paste(on, f"'{path}' ")
    await until(on.pilot, lambda: words in on.text())


async def test_pictures_go_only_where_they_are_seen(picture: Path) -> None:
    blind, seeing = says("no"), sees("a cat", "still a cat")
    async with chats(blind, seeing) as on:
        await on.open()
        await on.pilot.press("ctrl+f")
        await until(on.pilot, lambda: "takes no pictures" in on.text())
        await paste(on, str(picture))
        assert on.chat.box.text == str(picture) and not on.chat.pictures, "there it is a text like any other"
        await on.open("down")
        await on.pilot.press("ctrl+f")
        await until(on.pilot, lambda: isinstance(on.app.screen, AskPathScreen))
        on.app.screen.query_one(Input).value = str(picture)
        await on.pilot.press("enter")
        await until(on.pilot, lambda: f"▣ {WORDS}" in on.text())
        await on.ask("what is it?")
        assert f"▣ {WORDS}" in on.text() and "Esc: without" not in on.text()
        await on.ask("sure?")
        first, second = seeing.requests
        assert first.messages[-1].images == (PNG,)
        assert second.messages[0].images == (PNG,) and second.messages[-1].images == ()


async def test_a_picture_stays_with_its_question_when_that_is_asked_again_or_edited(picture: Path) -> None:
    seeing = sees("a dog", "a cat", "a tom", "grey")
    async with chats(seeing) as on:
        await on.open()
        await attach(on, picture)
        await on.ask("what is it?")
        await on.pilot.press("ctrl+r")
        await until(on.pilot, lambda: "a cat" in on.text() and on.ready)
        await on.pilot.press("up")
        await until(on.pilot, lambda: "question 1 of 1" in on.text())
        assert on.text().count(WORDS) == 2, "at the question, and at the box"
        await on.pilot.press("enter")
        await until(on.pilot, lambda: "a tom" in on.text() and on.ready)
        await on.ask("which colour?")
        assert [request.messages[0].images for request in seeing.requests] == [(PNG,)] * 4
        assert seeing.requests[-1].messages[-1].images == ()


async def test_a_question_that_failed_comes_back_with_its_picture(picture: Path) -> None:
    failing = sees("a cat")
    failing.scripts.insert(0, Script([], error=EngineFailed("out of memory")))
    async with chats(failing) as on:
        await on.open()
        await attach(on, picture)
        await on.ask("what is it?")
        assert on.chat.box.text == "what is it?" and "Esc: without" in on.text()
        await on.pilot.press("enter")
        await until(on.pilot, lambda: len(failing.requests) == 2)
        assert failing.requests[1].messages[-1].images == (PNG,)


async def test_a_picture_that_is_gone_costs_no_answer(picture: Path) -> None:
    async with chats(sees("a cat")) as on:
        await on.open()
        await attach(on, picture)
        await on.ask("what is it?")
    picture.unlink()  # noqa: ASYNC240
    async with chats(sees("a dog", "grey"), services=on.services) as later:
        await later.pilot.press("f3")
        await until(later.pilot, lambda: "○ saved" in later.text())
        await later.pilot.press("enter")
        await until(later.pilot, lambda: isinstance(later.app.screen, ChatScreen) and "a cat" in later.text())
        assert f"▣ {WORDS}" in later.text(), "what it was is kept with the chat"
        await later.pilot.press("ctrl+r")
        await until(later.pilot, lambda: "✘ there is no file" in later.text())
        assert "a cat" in later.text() and later.chat.box.text == "what is it?"
        await later.pilot.press("escape")
        assert not later.chat.pictures
        await later.ask("which colour?")
        assert "cat.png of an earlier question is left out: there is no file" in later.text().replace("\n", " ")
        assert "grey" not in later.text(), "the first answer was to this question"


async def test_what_is_no_picture_is_said_at_once(picture: Path) -> None:
    text = picture.with_name("text.png")
    text.write_text("no picture")
    async with chats(sees("a cat")) as on:
        await on.open()
        await paste(on, str(text))
        await until(on.pilot, lambda: "is no picture that models take" in on.text())
        assert not on.chat.pictures
        for typed, reason in (("~nobody-there/x.png", "there is no file"), (str(picture.parent), "is a folder")):
            await on.pilot.press("ctrl+f")
            await until(on.pilot, lambda: isinstance(on.app.screen, AskPathScreen))
            on.app.screen.query_one(Input).value = typed
            await on.pilot.press("enter")
            await until(on.pilot, lambda reason=reason: reason in on.text())  # type: ignore[misc]
        await paste(on, "I drew it as thanks.png")
        assert on.chat.box.text == "I drew it as thanks.png"


async def test_the_name_of_a_picture_is_never_markup_nor_obeyed(picture: Path) -> None:
    hostile = picture.with_name("[red]a\x1b[31m\nb[x].png")
    hostile.write_bytes(PNG)
    async with chats(sees("a cat")) as on:
        await on.open()
        on.chat.attach([str(hostile)])
        await until(on.pilot, lambda: "▣ [red]a�[31m b[x].png · PNG" in on.text())
        await on.ask("what is it?")
        assert "▣ [red]a�[31m b[x].png · PNG" in on.text()


async def test_several_pictures_are_named_at_the_box_as_far_as_there_is_room(picture: Path) -> None:
    others = [picture.with_name(f"{number}.png") for number in range(3)]
    for number, other in enumerate(others):
        other.write_bytes(PNG + bytes([number]))
    async with chats(sees("cats")) as on:
        await on.open()
        await paste(on, " ".join(map(str, [picture, *others, picture])))
        await until(on.pilot, lambda: "and 1 more" in on.text())
        assert len(on.chat.pictures) == 4, "the same one goes along once"
        await on.ask("which?")
        assert on.text().count("▣") == 4
