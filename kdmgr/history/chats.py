"""Saved chats: each turn is written when it begins, while it streams and when it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection, Row
from typing import TypeVar

from kdmgr.history.chat_records import ChatRecord, TurnRecord
from kdmgr.history.chat_rows import CHAT_COLUMNS, TURN_COLUMNS, chat_values, read_chat, read_turn, turn_values
from kdmgr.history.chat_schema import MIGRATIONS
from kdmgr.history.chat_search import TOKENIZER, find_excerpt, forget_turns, where_words
from kdmgr.history.database import Database

T = TypeVar("T")

_LISTED = """
    SELECT chats.*, (SELECT id FROM chats AS parents WHERE parents.key = chats.parent) AS parent_id,
        (SELECT count(*) FROM turns WHERE turns.chat = chats.id AND NOT replaced) AS n_turns,
        (SELECT tok_s FROM turns WHERE turns.chat = chats.id AND tok_s IS NOT NULL ORDER BY id DESC LIMIT 1) AS tok_s
    FROM chats
"""


class ChatStore:
    """All chats in one file, readable by its owner only. Raises `StorageFailed` where it cannot be used."""

    def __init__(
        self, path: Path, *, tokenizer: str = TOKENIZER, note: Callable[[str], None] = lambda sentence: None
    ) -> None:
        """`tokenizer` is how SQLite is to index words; without it all is read in a search."""
        self._tokenizer = tokenizer
        self._database = Database(path, MIGRATIONS, name="the file of saved chats", private=True, note=note)

    def save_chat(self, chat: ChatRecord) -> ChatRecord:
        """Write a chat down, or what has changed of it; its turns are its own matter."""
        kept = ("key", "created_at", "parent")
        changes = ", ".join(f"{name} = :{name}" for name in CHAT_COLUMNS if name not in kept)
        names, marks = ", ".join(CHAT_COLUMNS), ", ".join(f":{name}" for name in CHAT_COLUMNS)
        values = dict(zip(CHAT_COLUMNS, chat_values(chat), strict=True))

        def write(connection: Connection) -> int:
            # No upsert: that would use up a number each time.
            if not connection.execute(f"UPDATE chats SET {changes} WHERE key = :key", values).rowcount:
                connection.execute(f"INSERT INTO chats ({names}) VALUES ({marks})", values)
            return int(connection.execute("SELECT id FROM chats WHERE key = ?", (chat.key,)).fetchone()[0])

        return replace(chat, id=self._database.run(write))

    def save_turn(self, chat_key: str, turn: TurnRecord) -> None:
        """Write a turn down, or how far it is by now; a chat that was removed meanwhile stays removed."""
        names = ", ".join((*TURN_COLUMNS, "chat", "indexed"))
        changes = ", ".join(f"{name} = excluded.{name}" for name in TURN_COLUMNS if name != "key")
        statement = (
            f"INSERT INTO turns ({names}) SELECT {_marks(TURN_COLUMNS)}, id, 0 FROM chats WHERE key = ? "
            f"ON CONFLICT (key) DO UPDATE SET {changes}, indexed = 0"
        )

        def write(connection: Connection) -> None:
            connection.execute(statement, (*turn_values(turn), chat_key))
            connection.execute("UPDATE chats SET updated_at = max(updated_at, ?) WHERE key = ?", (turn.at, chat_key))

        self._database.run(write)

    def mark_replaced(self, keys: Sequence[str]) -> None:
        """These turns were asked again: they stay, but are no part of the conversation."""
        self._database.run(
            lambda connection: connection.execute(
                f"UPDATE turns SET replaced = 1 WHERE key IN ({_marks(keys)})", list(keys)
            )
        )

    def chats(self, words: Sequence[str] = (), *, limit: int | None = None) -> list[ChatRecord]:
        """The chats in which all words stand, the newest first."""

        def read(connection: Connection) -> list[ChatRecord]:
            condition, values = where_words(connection, words, self._tokenizer) if words else ("1", [])
            query = f"{_LISTED} WHERE {condition} ORDER BY updated_at DESC, id DESC LIMIT ?"
            found = [read_chat(row) for row in connection.execute(query, (*values, -1 if limit is None else limit))]
            if not words:
                return found
            return [replace(chat, excerpt=find_excerpt(connection, chat.id, words[0])) for chat in found]

        return self._read(read, [])

    def chat(self, number: int) -> ChatRecord | None:
        """The chat that commands know by this number."""
        rows = self._rows(f"{_LISTED} WHERE id = ?", number)
        return read_chat(rows[0]) if rows else None

    def turns(self, number: int, *, replaced: bool = False) -> list[TurnRecord]:
        """The turns of a chat in order; with those that were asked again if `replaced`."""
        query = f"SELECT * FROM turns WHERE chat = ? {'' if replaced else 'AND NOT replaced'} ORDER BY id"
        return [read_turn(row) for row in self._rows(query, number)]

    def remove(self, numbers: Sequence[int]) -> None:
        """Remove chats with their turns."""

        def write(connection: Connection) -> None:
            connection.execute("PRAGMA secure_delete = ON")
            forget_turns(connection, numbers)
            for number in numbers:
                connection.execute("DELETE FROM turns WHERE chat = ?", (number,))
                connection.execute("DELETE FROM chats WHERE id = ?", (number,))

        if self._database.exists():
            self._database.run(write)

    def _rows(self, query: str, *values: object) -> list[Row]:
        none: list[Row] = []
        return self._read(lambda connection: connection.execute(query, values).fetchall(), none)

    def _read(self, read: Callable[[Connection], T], nothing: T) -> T:
        # Nothing is made by looking.
        if not self._database.exists():
            return nothing

        def run(connection: Connection) -> T:
            connection.row_factory = Row
            return read(connection)

        return self._database.run(run)


def _marks(names: Sequence[str]) -> str:
    return ", ".join("?" * len(names))
