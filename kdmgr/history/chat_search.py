"""Finding chats by words: an index of three-letter pieces where SQLite has one, else reading all.

Both find the same: every word somewhere in the title, the model's name, a question or an answer, case aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from sqlite3 import Connection, OperationalError

_LEAST = 3
"""The index knows nothing shorter."""
_AROUND = 32
"""Characters of an excerpt before and after what was found."""
TOKENIZER = "trigram"
"""Any piece of a word is found, in any script. SQLite has it since 3.34."""


def where_words(connection: Connection, words: Sequence[str], tokenizer: str = TOKENIZER) -> tuple[str, list[str]]:
    """A condition on chats, and its values."""
    indexed = bring_up_index(connection, tokenizer)
    conditions, values = [], []
    for word in words:
        like = f"%{_escape(word)}%"
        if indexed and len(word) >= _LEAST:
            found = "SELECT chat FROM turns_text JOIN turns ON turns.id = turns_text.rowid WHERE turns_text MATCH ?"
            values.append('"{}"'.format(word.replace('"', '""')))
        else:
            found = r"SELECT chat FROM turns WHERE question LIKE ? ESCAPE '\' OR answer LIKE ? ESCAPE '\'"
            values += [like, like]
        conditions.append(rf"(id IN ({found}) OR title LIKE ? ESCAPE '\' OR model LIKE ? ESCAPE '\')")
        values += [like, like]
    return " AND ".join(conditions), values


def bring_up_index(connection: Connection, tokenizer: str) -> bool:
    """Take in what was written since the last time, drop what was removed; false without such an index."""
    try:
        connection.execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS turns_text USING fts5(question, answer, tokenize = '{tokenizer}')"
        )
        connection.execute("DELETE FROM turns_text WHERE rowid IN (SELECT id FROM turns WHERE NOT indexed)")
        connection.execute(
            "INSERT INTO turns_text (rowid, question, answer) SELECT id, question, answer FROM turns WHERE NOT indexed"
        )
        connection.execute("UPDATE turns SET indexed = 1 WHERE NOT indexed")
    except OperationalError as error:
        if not any(word in str(error) for word in ("fts5", "trigram", "tokenizer")):
            raise
        return False
    return True


def forget_turns(connection: Connection, chats: Sequence[int]) -> None:
    """Take the texts of chats out of the index, before the chats go."""
    with suppress(OperationalError):  # never searched, so no index
        for chat in chats:
            connection.execute("DELETE FROM turns_text WHERE rowid IN (SELECT id FROM turns WHERE chat = ?)", (chat,))


def find_excerpt(connection: Connection, chat: int, word: str) -> str:
    """The line around the first place of `word` in a chat; "" when only its title or model has it."""
    like = f"%{_escape(word)}%"
    row = connection.execute(
        r"SELECT question, answer FROM turns WHERE chat = ? AND (question LIKE ? ESCAPE '\' OR answer LIKE ? "
        r"ESCAPE '\') ORDER BY id LIMIT 1",
        (chat, like, like),
    ).fetchone()
    for text in row or ():
        at = text.lower().find(word.lower())
        if at >= 0:
            return _cut(text, at, len(word))
    return ""


def _cut(text: str, at: int, length: int) -> str:
    start, end = max(at - _AROUND, 0), at + length + _AROUND
    piece = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{piece}{'…' if end < len(text) else ''}"


def _escape(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
