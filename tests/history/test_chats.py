"""Saved chats: what is written, found, removed; crashes, two writers, a machine without an index for words."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kdmgr.history.chat_records import DONE, UNFINISHED, ChatRecord, Figures, ImageRecord, TurnRecord
from kdmgr.history.chats import ChatStore

AT = "2026-11-24T14:00:00+00:00"
CHAT = ChatRecord(
    "Why is the sky blue?", "smol:latest", "smol", "llamacpp", AT, AT, 4096, "q8_0", "Be brief.",
    {"temperature": 0.5, "stop": ("END", "STOP")}, True,
)  # fmt: skip
FIGURES = Figures(n_prompt=10, n_output=40, decode_s=2.0, ttft_s=0.1, n_ctx=4096)


def turn(question: str = "Why is the sky blue?", answer: str = "Rayleigh scattering.", **changes: object) -> TurnRecord:
    base = TurnRecord(AT, question, "smol:latest", "llamacpp", answer=answer, state=DONE, figures=FIGURES)
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> ChatStore:
    return ChatStore(tmp_path / "data" / "chats.db")


def saved(store: ChatStore, *turns: TurnRecord, chat: ChatRecord = CHAT, **changes: object) -> ChatRecord:
    chat = store.save_chat(replace(ChatRecord(**_fields(chat)), **changes))  # type: ignore[arg-type]
    for one in turns:
        store.save_turn(chat.key, one)
    return chat


def _fields(chat: ChatRecord) -> dict[str, object]:
    from dataclasses import fields

    return {field.name: getattr(chat, field.name) for field in fields(chat) if field.name != "key"}


def test_looking_makes_nothing(store: ChatStore, tmp_path: Path) -> None:
    assert store.chats() == [] and store.chats(["sky"]) == [] and store.chat(1) is None and store.turns(1) == []
    store.remove([1])
    assert not list(tmp_path.iterdir())


def test_a_chat_comes_back_as_it_was(store: ChatStore, tmp_path: Path) -> None:
    first = turn(
        images=(ImageRecord("/pictures/a.png", "PNG", 24, 640, 480, "0f"),),
        thinking="hm",
        system="Be brief.",
        parameters={"top_k": 3},
    )
    second = turn("And at dusk?", "Longer path.", state="stopped", figures=None)
    chat = saved(store, first, second)
    (listed,) = store.chats()
    assert listed == replace(chat, n_turns=2, tok_s=20.0)
    assert store.chat(chat.id) == listed
    assert store.turns(chat.id) == [first, second]
    assert stat.S_IMODE((tmp_path / "data" / "chats.db").stat().st_mode) == 0o600


def test_a_turn_grows_and_an_end_that_never_came_is_seen(store: ChatStore) -> None:
    growing = turn(answer="Ray", state=UNFINISHED, figures=None)
    chat = saved(store, growing)
    store.save_turn(chat.key, replace(growing, answer="Rayleigh"))
    (found,) = store.turns(chat.id)
    assert (found.answer, found.state, found.counts) == ("Rayleigh", UNFINISHED, True)


def test_what_was_asked_again_is_kept_but_does_not_count(store: ChatStore) -> None:
    old, new = turn(answer="Because."), turn()
    chat = saved(store, old, new)
    store.mark_replaced([old.key])
    assert store.turns(chat.id) == [new]
    assert [one.answer for one in store.turns(chat.id, replaced=True)] == ["Because.", "Rayleigh scattering."]
    assert store.chats()[0].n_turns == 1


def test_numbers_are_not_used_up_by_changes_nor_given_twice(store: ChatStore) -> None:
    first = saved(store)
    store.save_chat(replace(first, title="Skies"))
    second = saved(store)
    assert (first.id, second.id) == (1, 2)
    assert store.chat(1) == replace(first, title="Skies")
    store.remove([2])
    assert saved(store).id == 3


def test_the_newest_first(store: ChatStore) -> None:
    older, newer = saved(store, title="older"), saved(store, title="newer")
    assert [chat.title for chat in store.chats()] == ["newer", "older"]
    store.save_turn(older.key, turn(at="2026-11-25T00:00:00+00:00"))
    assert [chat.title for chat in store.chats()] == ["older", "newer"]
    assert newer.id and [chat.title for chat in store.chats(limit=1)] == ["older"]


@pytest.mark.parametrize("tokenizer", ["trigram", "unknown to this SQLite"])
def test_words_are_found_wherever_they_stand(tmp_path: Path, tokenizer: str) -> None:
    store = ChatStore(tmp_path / "chats.db", tokenizer=tokenizer)
    sky = saved(store, turn("Why?", "It is RAYLEIGH scattering, 100% of it."), title="sky")
    tea = saved(store, turn("Tea or coffee?", "茶がいいです。"), title="drinks", model="gemma:1b")

    def find(*words: str) -> list[int]:
        return [chat.id for chat in store.chats(words)]

    assert find("rayleigh") == find("scatter", "why") == find("100%") == [sky.id]
    assert find("gemma") == find("がいい") == find("茶") == find("drinks", "tea") == [tea.id]
    assert find("rayleigh", "tea") == find("10_%") == find('"') == find("nothing") == []
    assert store.chats(["rayleigh"])[0].excerpt == "It is RAYLEIGH scattering, 100% of it."
    store.save_turn(sky.key, turn("More?", "Mie scattering"))
    assert find("mie") == [sky.id]


def test_what_is_removed_is_gone_from_the_file(store: ChatStore, tmp_path: Path) -> None:
    chat = saved(store, turn("my secret is xyzzy", "noted: xyzzy"))
    other = saved(store, turn("hello"))
    assert len(store.chats(["xyzzy"])) == 1
    store.remove([chat.id])
    assert store.chats(["xyzzy"]) == [] and [one.id for one in store.chats()] == [other.id]
    store.save_turn(chat.key, turn("too late", "xyzzy"))
    assert store.turns(chat.id) == [] and store.chat(chat.id) is None
    with sqlite3.connect(tmp_path / "data" / "chats.db") as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert b"xyzzy" not in (tmp_path / "data" / "chats.db").read_bytes()


def test_a_damaged_file_is_moved_aside_and_said(tmp_path: Path) -> None:
    path = tmp_path / "chats.db"
    path.write_bytes(b"no database at all" * 100)
    notes: list[str] = []
    store = ChatStore(path, note=notes.append)
    assert store.chats() == []
    assert saved(store, turn()).id == 1
    (aside,) = tmp_path.glob("chats.db.damaged-*")
    assert len(notes) == 1 and str(aside) in notes[0] and "saved chats" in notes[0]


def test_two_kdmgr_write_into_one_chat(store: ChatStore, tmp_path: Path) -> None:
    chat = saved(store)
    script = (
        "import sys; from pathlib import Path; from kdmgr.history.chats import ChatStore\n"
        "from tests.history.test_chats import turn\n"
        "for _ in range(25): ChatStore(Path(sys.argv[1])).save_turn(sys.argv[2], turn())\n"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "data" / "chats.db"), chat.key]
    writers = [subprocess.Popen(arguments) for _ in range(2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(store.turns(chat.id)) == 50
