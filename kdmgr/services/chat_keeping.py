"""Writing a chat down while it goes on: in order, in a thread of its own, never in the way of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kdmgr.errors import KdmgrError
from kdmgr.history.chat_records import ChatRecord, TurnRecord, new_key

if TYPE_CHECKING:
    from kdmgr.history.chats import ChatStore

TITLE_LENGTH = 60


def now() -> str:
    """UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def suggest_title(question: str) -> str:
    """The first line of the first question."""
    line = next((line for line in question.splitlines() if line.strip()), "")
    words = " ".join(line.split())
    return words if len(words) <= TITLE_LENGTH else f"{words[: TITLE_LENGTH - 1].rstrip()}…"


class ChatKeeper:
    """One saved chat. A chat without turns is not written at all."""

    def __init__(self, store: ChatStore, record: ChatRecord) -> None:
        self.record = record
        """As it is to be saved; its number is in `number`."""
        self.number = record.id
        """By which commands know it; 0 before it is saved."""
        self.problem: KdmgrError | None = None
        """Why it is not saved."""
        self._store = store
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="kdmgr-chats")
        self._begun = record.id > 0
        self._written: ChatRecord | None = None

    def save(self, turn: TurnRecord) -> None:
        """Write a turn down, as far as it is."""
        if not self._begun:
            self._begun = True
            title = self.record.title or suggest_title(turn.question)
            self.record = replace(self.record, title=title, created_at=turn.at, updated_at=turn.at)
        self._save_record()
        self._submit(self._store.save_turn, self.record.key, turn)

    def change(self, **settings: Any) -> None:
        """Other settings from now on, or another title: fields of `ChatRecord`."""
        changed = replace(self.record, **settings)
        if changed != self.record:
            self.record = replace(changed, updated_at=now())
            if self._begun:
                self._save_record()

    def replace(self, turns: Iterable[TurnRecord]) -> None:
        """These are asked again."""
        self._submit(self._store.mark_replaced, [turn.key for turn in turns])

    def begin_anew(self, turns: Sequence[TurnRecord] = ()) -> list[TurnRecord]:
        """From now on it is another chat, which begins with copies of `turns`; the old one stays as it is."""
        parent = self.record.key if turns else None
        self.record = replace(self.record, key=new_key(), id=0, title="", parent=parent)
        self.number, self._begun = 0, False
        copies = [replace(turn, key=new_key()) for turn in turns]
        for turn in copies:
            self.save(turn)
        return copies

    async def flush(self) -> None:
        """Wait until all that was handed over so far is written."""
        await asyncio.wrap_future(self._writer.submit(lambda: None))

    async def close(self) -> None:
        """Wait until all is written."""
        await asyncio.to_thread(self._writer.shutdown)

    def _save_record(self) -> None:
        if self.record != self._written:
            self._written = self.record
            self._submit(self._save_chat, self.record)

    def _save_chat(self, record: ChatRecord) -> None:
        saved = self._store.save_chat(record)
        if record.key == self.record.key:
            self.number = saved.id

    def _submit(self, write: Callable[..., object], *values: object) -> None:
        self._writer.submit(self._try, write, *values)

    def _try(self, write: Callable[..., object], *values: object) -> None:
        try:
            write(*values)
        except KdmgrError as error:
            self.problem = error
