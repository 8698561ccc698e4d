"""An engine that answers by script, and writes down what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from kdmgr.engines.protocol import (
    ChatDelta,
    ChatEvent,
    ChatRequest,
    ChatStats,
    EngineListing,
    EngineModel,
    EngineStatus,
    LoadedModel,
)
from kdmgr.errors import KdmgrError


@dataclass
class Script:
    """What one question is answered with: events, an error to raise after them, seconds before each."""

    events: Sequence[ChatEvent] = ()
    error: KdmgrError | None = None
    pause: float = 0.0
    endless: bool = False
    """Go on with the last event until stopped."""


@dataclass
class ScriptedEngine:
    """Follows `scripts`, one for each question; without one it answers "ok"."""

    scripts: list[Script] = field(default_factory=list)
    name: str = "llamacpp"
    requests: list[ChatRequest] = field(default_factory=list)
    loaded: list[LoadedModel] = field(default_factory=list)
    n_stopped: int = 0
    closed: bool = False

    @property
    def asked(self) -> list[str]:
        """The questions so far."""
        return [request.messages[-1].content for request in self.requests]

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        self.requests.append(request)
        script = self.scripts.pop(0) if self.scripts else Script([ChatDelta("ok", n_tokens=1), stats()])
        try:
            for event in script.events:
                await asyncio.sleep(script.pause)
                yield event
            while script.endless:
                await asyncio.sleep(max(script.pause, 0.001))
                yield script.events[-1]
        except (GeneratorExit, asyncio.CancelledError):
            self.n_stopped += 1
            raise
        if script.error is not None:
            raise script.error

    async def status(self) -> EngineStatus:
        return EngineStatus(self.name, True, "by script")

    async def list_models(self) -> list[EngineListing]:
        return []

    async def loaded_models(self) -> list[LoadedModel]:
        return self.loaded

    async def unload(self, model: EngineModel) -> None:
        self.loaded = []

    async def close(self) -> None:
        self.closed = True


def stats(**changes: object) -> ChatStats:
    """Figures of an answer."""
    figures: dict[str, object] = {
        "n_prompt": 32,
        "n_cached": 12,
        "n_output": 120,
        "prompt_s": 0.1,
        "decode_s": 2.4,
        "load_s": 0.5,
        "ttft_s": 0.12,
        "total_s": 2.6,
        "n_ctx": 4096,
        "stop_reason": "stop",
    }
    return ChatStats(**(figures | changes))  # type: ignore[arg-type]
