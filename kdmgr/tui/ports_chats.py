"""What the chats need of the services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kdmgr.history.chat_records import ChatRecord
    from kdmgr.refs import ModelRef
    from kdmgr.services.chatting import ChatSession, ChatSettings
    from kdmgr.services.saved_chats import SavedChats


class ChatServices(Protocol):
    """Opening chats, and finding saved ones."""

    @property
    def saved_chats(self) -> SavedChats:
        """What was said; blocks on the disk."""

    async def open_chat(
        self,
        ref: ModelRef,
        *,
        engine: str = "auto",
        n_ctx: int | None = None,
        cache_type: str | None = None,
        settings: ChatSettings | None = None,
        keep: bool = False,
        resume: ChatRecord | None = None,
    ) -> ChatSession:
        """A conversation with an installed model; saved if `keep`."""
