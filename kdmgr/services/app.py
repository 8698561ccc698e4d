"""All services of one run, each made when it is first needed."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from kdmgr.config import load_settings
from kdmgr.paths import default_paths
from kdmgr.refs import ModelRef, parse_ref
from kdmgr.services.bringing import Bringing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdmgr.engines.protocol import EngineStatus
    from kdmgr.history.chat_records import ChatRecord
    from kdmgr.services.chatting import ChatSession, ChatSettings
    from kdmgr.services.diagnosis import Finding
    from kdmgr.services.duel import Duel, DuelOptions
    from kdmgr.services.engine_room import EngineRoom
    from kdmgr.services.host_book import HostBook
    from kdmgr.services.hosts import ChosenHost
    from kdmgr.services.hub_desk import HubDesk
    from kdmgr.services.monitoring import Monitor
    from kdmgr.services.preferences import PreferenceBook
    from kdmgr.services.saved_chats import SavedChats
    from kdmgr.services.student_desk import StudentDesk
    from kdmgr.services.ui_state import UiState


class Services(Bringing):
    """The use cases, with their collaborators injected."""

    @classmethod
    def create(cls, env: Mapping[str, str] = os.environ, *, host: str | None = None) -> Services:
        """Services on the platform's folders. Raises `UsageError` for a bad config.toml."""
        paths = default_paths(env)
        return cls(paths, load_settings(paths.config), env, host)

    @cached_property
    def engine_room(self) -> EngineRoom:
        """The embedded engine that saved chats share."""
        from kdmgr.services.engine_room import EngineRoom

        return EngineRoom(self.embedded_engine)

    @cached_property
    def student_desk(self) -> StudentDesk:
        """What the table of students asks."""
        from kdmgr.services.student_desk import StudentDesk

        return StudentDesk(self)

    @cached_property
    def hub_desk(self) -> HubDesk:
        """What a search of the Hub asks."""
        from kdmgr.services.hub_desk import HubDesk

        return HubDesk(self)

    @cached_property
    def saved_chats(self) -> SavedChats:
        """What was said."""
        from kdmgr.history.chats import ChatStore
        from kdmgr.services.saved_chats import SavedChats

        return SavedChats(ChatStore(self.paths.chats, note=self.history_notes.append))

    async def open_chat(
        self,
        ref: ModelRef | str,
        *,
        engine: str = "auto",
        n_ctx: int | None = None,
        cache_type: str | None = None,
        settings: ChatSettings | None = None,
        keep: bool = False,
        resume: ChatRecord | None = None,
    ) -> ChatSession:
        """A conversation, on the engine that serves the model best; saved if `keep`."""
        from kdmgr.services.chatting import ChatSettings
        from kdmgr.services.conversations import open_chat

        return await open_chat(
            self,
            parse_ref(ref) if isinstance(ref, str) else ref,
            engine=self.settings.engine if engine == "auto" else engine,
            n_ctx=n_ctx or self.settings.n_ctx,
            cache_type=cache_type or self.settings.cache_type,
            settings=settings or ChatSettings(),
            keep=keep,
            resume=resume,
        )

    async def open_duel(self, left: ModelRef | str, right: ModelRef | str, options: DuelOptions) -> Duel:
        """Two conversations, to be asked the same."""
        from kdmgr.services.duel_opening import open_duel

        return await open_duel(self, left, right, options)

    @cached_property
    def monitor(self) -> Monitor:
        """The machine and what is loaded, for somebody who watches."""
        from kdmgr.services.monitoring import Monitor

        return Monitor(self, self._env)

    @cached_property
    def host_book(self) -> HostBook:
        """The servers to choose from."""
        from kdmgr.services.host_book import HostBook

        return HostBook(self)

    @cached_property
    def preferences(self) -> PreferenceBook:
        """The settings, to see and to change."""
        from kdmgr.services.preferences import PreferenceBook

        return PreferenceBook(self, self._env)

    @cached_property
    def ui_state(self) -> UiState:
        """How the terminal app was left."""
        from kdmgr.services.ui_state import UiState

        return UiState(self.paths.data)

    def change_host(self, host: ChosenHost) -> None:
        """From now on this is the server of the run, chosen among several: nothing here is bound to it."""
        self.settings = load_settings(self.paths.config)
        self.host, self.host_is_named = host, False
        for name in ("server_models", "recorder"):
            self.__dict__.pop(name, None)

    async def engine_statuses(self) -> list[EngineStatus]:
        """Whether each engine can be used."""
        import asyncio

        engines = (self.ollama_engine(), self.embedded_engine())
        statuses = await asyncio.gather(*(engine.status() for engine in engines))
        for engine in engines:
            await engine.close()
        return list(statuses)

    def diagnose(self) -> list[Finding]:
        """What works here and what does not."""
        import asyncio

        from kdmgr.services.diagnosis import diagnose

        engines = asyncio.run(self.engine_statuses())
        return diagnose(self.paths, self.detect_machine(), engines, self.host, self.catalog)
