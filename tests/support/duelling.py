"""Duels between chats that always say the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from math import log

from kdmgr.engines.protocol import ChatDelta, ChatEvent, ChatStats, ParameterValue, TokenChance, WrittenToken
from kdmgr.errors import KdmgrError
from kdmgr.services.duel import Duel
from kdmgr.services.duel_schedule import Schedule

STATS = ChatStats(10, 0, 8, 0.1, 0.2, 0.0, 0.1, 0.4, 4096, "stop")
AT_ONCE = Schedule(True, False, "both fit")
IN_TURN = Schedule(False, True, "they do not fit")


def token(text: str, p: float = 0.9) -> WrittenToken:
    chance = TokenChance(text, log(p))
    return WrittenToken(chance, (chance, TokenChance("#", log((1 - p) / 2))))


@dataclass
class Canned:
    """A chat that always says the same, and notes what is done with it."""

    model_name: str
    words: list[str]
    diary: list[str]
    error: KdmgrError | None = None
    engine_name: str = "llamacpp"
    reason: str = "as asked"
    warnings: tuple[str, ...] = ()
    n_ctx: int | None = 4096
    n_top: int = 0
    think: bool | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    stopped: bool = False
    pause: float = 0.001

    async def send(self, text: str) -> AsyncGenerator[ChatEvent, None]:
        self.diary.append(f"{self.model_name} asked")
        try:
            for word in self.words:
                await asyncio.sleep(self.pause)
                yield ChatDelta(word, n_tokens=1, tokens=(token(word),) if self.n_top else ())
        except (GeneratorExit, asyncio.CancelledError):
            self.stopped = True
            raise
        if self.error is not None:
            raise self.error
        self.diary.append(f"{self.model_name} done")
        yield STATS

    async def continue_from(self, question: str, so_far: str, n_tokens: int) -> AsyncGenerator[ChatEvent, None]:
        rest = "".join(self.words)
        if not rest.startswith(so_far) or rest == so_far:
            yield STATS
            return
        yield ChatDelta(rest[len(so_far)], tokens=(token(rest[len(so_far)]),))
        yield STATS

    def reset(self) -> None:
        self.diary.append(f"{self.model_name} reset")

    def set_parameters(self, parameters: Mapping[str, ParameterValue], think: bool | None) -> None:
        self.parameters, self.think = parameters, think

    async def unload(self) -> None:
        self.diary.append(f"{self.model_name} unloaded")

    async def close(self) -> None:
        self.diary.append(f"{self.model_name} closed")


def duel_of(left: str, right: str, schedule: Schedule = AT_ONCE, **more: KdmgrError | None) -> tuple[Duel, list[str]]:
    diary: list[str] = []
    sides = [Canned(name, list(text), diary, more.get(name)) for name, text in (("A", left), ("B", right))]
    return Duel(sides[0], sides[1], schedule, ("A", "B")), diary
