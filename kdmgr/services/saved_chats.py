"""Saved chats: finding, naming, exporting and removing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from kdmgr.engines.protocol import ChatStats
from kdmgr.errors import NotFound, UsageError
from kdmgr.history.chat_records import ChatRecord, TurnRecord
from kdmgr.services.chat_keeping import now

if TYPE_CHECKING:
    from kdmgr.history.chats import ChatStore

LAST = "last"


class SavedChats:
    """All chats of this user."""

    def __init__(self, store: ChatStore) -> None:
        self.store = store

    def search(self, text: str = "", *, limit: int | None = None) -> list[ChatRecord]:
        """Chats in which all words of `text` stand, the newest first; all of them for none."""
        return self.store.chats(text.split(), limit=limit)

    def require(self, name: str, *, model: str | None = None) -> ChatRecord:
        """The chat numbered `name`, or the "last" one (of `model`, if that is named); `NotFound` without it."""
        if name == LAST:
            wanted = model.lower() if model else None
            chats = (chat for chat in self.store.chats() if wanted is None or wanted in _names(chat))
            found = next(chats, None)
        elif name.isdecimal():
            found = self.store.chat(int(name))
        else:
            raise UsageError(f"not the number of a chat: {name!r}", hint=f"`kdmgr chats` lists them; or say {LAST}")
        if found is None:
            of_model = f" with {model}" if model and name == LAST else ""
            what = f"no chat{of_model} is saved" if name == LAST else f"no chat has the number {name}"
            raise NotFound(what, hint="`kdmgr chats` lists them")
        return found

    def turns(self, chat: ChatRecord, *, replaced: bool = False) -> list[TurnRecord]:
        """What was said in a chat; with what was asked again if `replaced`."""
        return self.store.turns(chat.id, replaced=replaced)

    def rename(self, chat: ChatRecord, title: str) -> ChatRecord:
        """Give a chat another title; `UsageError` for none."""
        words = " ".join(title.split())
        if not words:
            raise UsageError("an empty title", hint="say what the chat is about")
        return self.store.save_chat(replace(chat, title=words, updated_at=now()))

    def remove(self, chats: Sequence[ChatRecord]) -> None:
        """Remove chats; there is no way back."""
        self.store.remove([chat.id for chat in chats])


def read_stats(turn: TurnRecord) -> ChatStats | None:
    """The figures of an answer; None when it never came to them."""
    return ChatStats(**asdict(turn.figures)) if turn.figures else None


def _names(chat: ChatRecord) -> tuple[str, ...]:
    """By what the model of a chat may be called."""
    names = (chat.model.lower(), chat.ref.lower())
    return (*names, *(name.removesuffix(":latest") for name in names))
