"""The lines of the list of chats: open ones and saved ones. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.history.chat_records import ChatRecord

if TYPE_CHECKING:
    from kdmgr.services.live_chat import LiveChat


@dataclass(frozen=True, slots=True)
class ChatRow:
    """An open chat, a saved one, or one that is both."""

    key: str
    live: LiveChat | None
    record: ChatRecord | None

    @property
    def title(self) -> str:
        """What it is about; "" while nothing was said."""
        return (self.live.title if self.live else "") or (self.record.title if self.record else "")

    @property
    def model(self) -> str:
        """The model's name."""
        return self.live.name if self.live else self.record.model if self.record else ""

    @property
    def n_turns(self) -> int:
        """How many questions were asked."""
        return len(self.live.turns) if self.live and self.live.session else self.record.n_turns if self.record else 0


def arrange_chats(live: Iterable[LiveChat], saved: Sequence[ChatRecord], query: str) -> list[ChatRow]:
    """Open chats first; of them those that `query` found, or whose title or model it names."""
    records = {record.id: record for record in saved}
    rows: list[ChatRow] = []
    for chat in live:
        record = records.pop(chat.number, None)
        if record is not None or _names(chat, query):
            rows.append(ChatRow(f"live:{id(chat)}", chat, record))
    return [*rows, *(ChatRow(f"saved:{record.id}", None, record) for record in records.values())]


def _names(chat: LiveChat, query: str) -> bool:
    names = f"{chat.title} {chat.name}".lower()
    return all(word in names for word in query.lower().split())
