"""The small parts of chats: code, one engine for many, forms, exports."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from kdmgr.engines.protocol import ChatMessage, ChatRequest, EngineModel
from kdmgr.errors import UsageError
from kdmgr.history.chat_records import DONE, STOPPED, ChatRecord, Figures, TurnRecord
from kdmgr.services.chat_export import suggest_name, to_markdown
from kdmgr.services.chatting import ChatSettings
from kdmgr.services.code_blocks import find_code
from kdmgr.services.engine_room import EngineRoom
from kdmgr.services.settings_form import read_fields, write_fields
from tests.support.chat_engine import ScriptedEngine

AT = "2026-11-24T14:00:00+00:00"


def test_code_is_found_between_fences() -> None:
    text = "a\n```python x\nprint()\n\n```\n~~~\n```\n~~~\n````\n```\n````\n```sh\nopen"
    assert [(block.language, block.text) for block in find_code(text)] == [
        ("python", "print()\n"), ("", "```"), ("", "```"), ("sh", "open"),
    ]  # fmt: skip


async def _ask(engine: object, name: str) -> None:
    request = ChatRequest(EngineModel(name), (ChatMessage("user", "hi"),))
    async with aclosing(engine.chat(request)) as events:  # type: ignore[attr-defined]
        async for _ in events:
            pass


async def test_one_engine_serves_many_and_ends_with_the_last() -> None:
    made: list[ScriptedEngine] = []

    def make() -> ScriptedEngine:
        made.append(ScriptedEngine())
        return made[-1]

    room = EngineRoom(make)
    first, second = room.borrow(), room.borrow()
    await _ask(first, "a")
    await _ask(second, "b")
    (engine,) = made
    engine.loaded = [object()]  # type: ignore[list-item]
    await second.close()
    assert engine.loaded == [] and not engine.closed, "the model that nobody asks any more is freed"
    await second.close()
    await first.close()
    assert engine.closed
    room.borrow()
    assert len(made) == 2


def test_a_form_reads_what_it_wrote() -> None:
    before = ChatSettings("Be brief.", False, {"temperature": 0.5, "stop": ("A", "B"), "num_ctx": 8192})
    texts = write_fields(before)
    assert (texts["temperature"], texts["stop"], texts["seed"]) == ("0.5", "A | B", "")
    assert read_fields(texts, system="Be brief.", think=False, before=before) == before
    emptied = read_fields(dict.fromkeys(texts, " "), system=" ", think=None, before=before)
    assert emptied == ChatSettings(None, None, {"num_ctx": 8192})


@pytest.mark.parametrize(("name", "text"), [("temperature", "hot"), ("temperature", "-1"), ("top_k", "1.5")])
def test_a_form_says_which_field_makes_no_sense(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"^{name} "):
        read_fields({name: text}, system="", think=None, before=ChatSettings())


def test_markdown_tells_how_each_answer_ended() -> None:
    chat = ChatRecord("Sky?", "m", "m", "ollama", AT, AT, system="Be\nbrief.", parameters={"seed": 1})
    done = TurnRecord(AT, "Why\nblue?", "m", "ollama", answer="# Because", thinking="hm", state=DONE,
                      figures=Figures(n_output=10, decode_s=2.0, stop_reason="length"))  # fmt: skip
    turns = [done, TurnRecord(AT, "b", "m", "ollama", state=STOPPED), TurnRecord(AT, "c", "m", "ollama")]
    text = to_markdown(chat, turns)
    for part in ("# Sky?\n", "> Be\n> brief.", "`seed=1`", "> Why\n> blue?", "<summary>thinking</summary>",
                 "*cut at the length limit · 5.0 tok/s, 10 tokens*", "*stopped*", "*cut off: kdmgr"):  # fmt: skip
        assert part in text
    assert suggest_name("Why is the sky blue? / ../x", "md") == "why-is-the-sky-blue-x.md"
    assert suggest_name("???", "json") == "chat.json"
