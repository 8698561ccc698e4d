"""A conversation: what the engine is asked with, what is kept of it, retrying and branching."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest

from kdmgr.engines.protocol import ChatDelta, ChatMessage, EngineModel, LoadedModel
from kdmgr.errors import EngineFailed
from kdmgr.history.chat_records import DONE, FAILED, STOPPED, ChatRecord
from kdmgr.history.chats import ChatStore
from kdmgr.services.chat_keeping import ChatKeeper, now
from kdmgr.services.chatting import ChatSession, ChatSettings
from tests.support.chat_engine import Script, ScriptedEngine, stats


def open_session(engine: ScriptedEngine, path: Path, **changes: object) -> ChatSession:
    record = ChatRecord("", "smol", "smol", "llamacpp", now(), now())
    keeper = ChatKeeper(ChatStore(path / "chats.db"), record)
    model = EngineModel("smol", system="Be kind.")
    return ChatSession(engine, model, reason="", keeper=keeper, **changes)  # type: ignore[arg-type]


async def ask(session: ChatSession, text: str, *, pieces: int | None = None) -> None:
    """Ask, and read the whole answer or so many pieces of it."""
    async with aclosing(session.send(text)) as events:
        seen = 0
        async for event in events:
            seen += isinstance(event, ChatDelta)
            if seen == pieces:
                break


def store_of(path: Path) -> ChatStore:
    return ChatStore(path / "chats.db")


async def test_every_turn_is_saved_with_what_gave_it(tmp_path: Path) -> None:
    engine = ScriptedEngine([Script([ChatDelta(thinking="hm"), ChatDelta("blue"), stats()])])
    settings = ChatSettings("Be brief.", False, {"temperature": 0.0})
    session = open_session(engine, tmp_path, settings=settings)
    await ask(session, "Which colour\nhas the sky?")
    await ask(session, "And the sea?")
    await session.close()
    (chat,) = store_of(tmp_path).chats()
    assert (chat.title, chat.n_turns, chat.system) == ("Which colour", 2, None)
    first, second = store_of(tmp_path).turns(chat.id)
    assert (first.answer, first.thinking, first.state, first.system) == ("blue", "hm", DONE, "Be brief.")
    assert first.figures is not None and first.figures.n_output == 120 and first.parameters == {"temperature": 0.0}
    assert (second.question, second.answer) == ("And the sea?", "ok")
    assert session.keeper is not None and session.keeper.number == chat.id
    request = engine.requests[1]
    assert request.messages == (
        ChatMessage("user", "Which colour\nhas the sky?"), ChatMessage("assistant", "blue"),
        ChatMessage("user", "And the sea?"),
    )  # fmt: skip
    assert (request.model.system, request.think, request.parameters) == ("Be brief.", False, {"temperature": 0.0})


async def test_a_stopped_answer_is_saved_as_far_as_it_came_and_counts(tmp_path: Path) -> None:
    engine = ScriptedEngine([Script([ChatDelta("one "), ChatDelta("two ")], endless=True)])
    session = open_session(engine, tmp_path)
    await ask(session, "count", pieces=2)
    await ask(session, "go on")
    await session.close()
    stopped, _ = store_of(tmp_path).turns(1)
    assert (stopped.answer, stopped.state, stopped.figures) == ("one two ", STOPPED, None)
    assert engine.requests[1].messages[1] == ChatMessage("assistant", "one two ")


async def test_a_failed_answer_is_saved_but_the_model_is_not_told_of_it(tmp_path: Path) -> None:
    engine = ScriptedEngine([Script([ChatDelta("half")], error=EngineFailed("out of memory"))])
    session = open_session(engine, tmp_path)
    with pytest.raises(EngineFailed):
        await ask(session, "hello")
    await ask(session, "hello")
    await session.close()
    failed, done = store_of(tmp_path).turns(1)
    assert (failed.answer, failed.state, failed.error) == ("half", FAILED, "out of memory")
    assert done.answer == "ok"
    assert engine.requests[1].messages == (ChatMessage("user", "hello"),)


async def test_a_crash_leaves_what_had_come(tmp_path: Path) -> None:
    session = open_session(ScriptedEngine([Script([ChatDelta("word ")], endless=True)]), tmp_path, save_every_s=0.0)
    stream = session.send("tell")
    for _ in range(20):
        await anext(stream)
    # What a crash now would leave.
    assert session.keeper is not None
    await session.keeper.flush()
    (turn,) = store_of(tmp_path).turns(1)
    assert turn.state == "unfinished" and turn.answer.count("word") == 20 and turn.counts
    await stream.aclose()
    await session.close()


async def test_nothing_is_saved_without_a_question(tmp_path: Path) -> None:
    session = open_session(ScriptedEngine(), tmp_path)
    session.change(ChatSettings("Be brief."))
    await session.close()
    assert store_of(tmp_path).chats() == []


async def test_settings_hold_from_the_next_question_on_and_are_saved(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    session = open_session(engine, tmp_path)
    await ask(session, "one")
    session.change(ChatSettings("Answer in French.", None, {"top_k": 5, "stop": ("END",)}))
    await ask(session, "two")
    await session.close()
    assert [request.model.system for request in engine.requests] == ["Be kind.", "Answer in French."]
    assert engine.requests[1].parameters == {"top_k": 5, "stop": ("END",)}
    (chat,) = store_of(tmp_path).chats()
    assert (chat.system, chat.parameters) == ("Answer in French.", {"top_k": 5, "stop": ("END",)})
    assert [turn.system for turn in store_of(tmp_path).turns(chat.id)] == [None, "Answer in French."]


async def test_asking_again_takes_the_place_of_the_old_answer(tmp_path: Path) -> None:
    engine = ScriptedEngine([Script([ChatDelta("bad"), stats()])])
    session = open_session(engine, tmp_path)
    await ask(session, "hello")
    session.drop_from(0)
    await ask(session, "hello")
    await session.close()
    assert [turn.answer for turn in store_of(tmp_path).turns(1)] == ["ok"]
    assert [turn.answer for turn in store_of(tmp_path).turns(1, replaced=True)] == ["bad", "ok"]
    assert engine.requests[1].messages == (ChatMessage("user", "hello"),)


async def test_a_branch_is_a_chat_of_its_own(tmp_path: Path) -> None:
    session = open_session(ScriptedEngine(), tmp_path)
    for text in ("one", "two", "three"):
        await ask(session, text)
    session.branch(1)
    await ask(session, "another two")
    await session.close()
    branch, first = sorted(store_of(tmp_path).chats(), key=lambda chat: -chat.id)
    assert [turn.question for turn in store_of(tmp_path).turns(first.id)] == ["one", "two", "three"]
    assert [turn.question for turn in store_of(tmp_path).turns(branch.id)] == ["one", "another two"]
    assert (branch.parent_id, branch.title, first.parent_id) == (first.id, "one", None)


async def test_beginning_anew_keeps_the_old_chat(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    session = open_session(engine, tmp_path)
    await ask(session, "one")
    session.reset()
    await ask(session, "two")
    await session.close()
    assert [chat.title for chat in store_of(tmp_path).chats()] == ["two", "one"]
    assert engine.requests[1].messages == (ChatMessage("user", "two"),)


async def test_a_file_that_cannot_be_written_is_said_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder should be")
    session = open_session(ScriptedEngine(), tmp_path / "blocked")
    await ask(session, "hello")
    await session.close()
    assert session.turns[0].answer == "ok"
    assert session.keeper is not None and session.keeper.problem is not None


async def test_where_the_model_is_comes_from_the_engine(tmp_path: Path) -> None:
    engine = ScriptedEngine(loaded=[LoadedModel("SMOL", 100, 60, 4096, None)])
    session = open_session(engine, tmp_path)
    placed = await session.find_placement()
    assert placed is not None and placed.size_vram == 60
    await session.close()
