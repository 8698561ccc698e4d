"""Chats for the screens: real sessions, really saved, over an engine that answers by script."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from kdmgr.engines.protocol import EngineModel
from kdmgr.errors import KdmgrError
from kdmgr.history.chat_records import ChatRecord
from kdmgr.history.chats import ChatStore
from kdmgr.refs import ModelRef
from kdmgr.services.chat_keeping import ChatKeeper, now
from kdmgr.services.chatting import ChatSession, ChatSettings
from kdmgr.services.saved_chats import SavedChats
from tests.support.chat_engine import ScriptedEngine


@dataclass
class FakeChat(ScriptedEngine):
    """The engine, and what a session on it says of itself."""

    reason: str = "no server answers, so the embedded engine"
    model_name: str = "smollm2"
    warnings: tuple[str, ...] = ()
    n_ctx: int | None = 4096
    sees_images: bool | None = False
    system: str | None = None


@dataclass
class FakeChatServices:
    """`ChatServices` with a file of saved chats of its own."""

    chat: FakeChat = field(default_factory=FakeChat)
    chats: Sequence[FakeChat] = ()
    """Of the first chats that are opened; `chat` is for those after them."""
    chat_error: KdmgrError | None = None
    chat_release: asyncio.Event | None = None
    """Opening a chat waits for it."""
    opened: list[dict[str, object]] = field(default_factory=list)

    @cached_property
    def saved_chats(self) -> SavedChats:
        folder = tempfile.mkdtemp(prefix="kdmgr-chats-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return SavedChats(ChatStore(Path(folder) / "chats.db"))

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
        self.opened.append({"ref": ref, "engine": engine, "n_ctx": n_ctx, "cache_type": cache_type})
        if self.chat_release is not None:
            await self.chat_release.wait()
        if self.chat_error is not None:
            raise self.chat_error
        fake = self.chats[len(self.opened) - 1] if len(self.opened) <= len(self.chats) else self.chat
        record = resume or ChatRecord("", fake.model_name, "/models/x.gguf", fake.name, now(), now())
        return ChatSession(
            fake,
            EngineModel(fake.model_name, system=fake.system),
            reason=fake.reason,
            n_ctx=fake.n_ctx,
            warnings=fake.warnings,
            settings=settings,
            turns=self.saved_chats.turns(resume) if resume else (),
            keeper=ChatKeeper(self.saved_chats.store, record) if keep else None,
            sees_images=fake.sees_images,
        )
