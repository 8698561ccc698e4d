"""One embedded engine for all chats of an app: one model in memory, one answer at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdmgr.engines.protocol import (
        ChatEvent,
        ChatRequest,
        Engine,
        EngineListing,
        EngineModel,
        EngineStatus,
        LoadedModel,
    )


class EngineRoom:
    """Lends one engine to many; it ends when the last of them has closed its share.

    A question about another model than the loaded one takes that one out of memory first. Answers wait for each other.
    """

    def __init__(self, make: Callable[[], Engine]) -> None:
        self._make = make
        self._engine: Engine | None = None
        self._shares: list[SharedEngine] = []

    def borrow(self) -> Engine:
        """A share; what holds it closes it."""
        self._engine = self._engine or self._make()
        share = SharedEngine(self, self._engine)
        self._shares.append(share)
        return share

    async def give_back(self, share: SharedEngine, model: EngineModel | None) -> None:
        """End with the last share; before that, free the model that nobody else asks."""
        if share not in self._shares:
            return
        self._shares.remove(share)
        engine = self._engine
        if engine is None:
            return
        if not self._shares:
            self._engine = None
            await engine.close()
        elif model is not None and all(other.model != model for other in self._shares):
            await engine.unload(model)


class SharedEngine:
    """A share of the engine; closing it leaves the engine to the others."""

    def __init__(self, room: EngineRoom, engine: Engine) -> None:
        self.name = engine.name
        self.model: EngineModel | None = None
        """What it asked last."""
        self._room = room
        self._engine = engine

    async def status(self) -> EngineStatus:
        """As the engine says."""
        return await self._engine.status()

    async def list_models(self) -> list[EngineListing]:
        """As the engine says."""
        return await self._engine.list_models()

    async def loaded_models(self) -> list[LoadedModel]:
        """As the engine says."""
        return await self._engine.loaded_models()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The engine's answer, after those that were asked for before."""
        self.model = request.model
        async with aclosing(self._engine.chat(request)) as events:
            async for event in events:
                yield event

    async def unload(self, model: EngineModel) -> None:
        """Free the model's memory."""
        await self._engine.unload(model)

    async def close(self) -> None:
        """Give the share back."""
        await self._room.give_back(self, self.model)
