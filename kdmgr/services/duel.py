"""A duel: the same question, seed and temperature to two models, and how their answers compare."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from kdmgr.engines.protocol import ChatEvent
from kdmgr.errors import KdmgrError
from kdmgr.services.agreement import Agreement, compare_streams
from kdmgr.services.difference import Difference, find_difference
from kdmgr.services.duel_answer import DuelAnswer
from kdmgr.services.duel_schedule import Order, Schedule
from kdmgr.services.forcing import force, why_not

if TYPE_CHECKING:
    from kdmgr.engines.protocol import ParameterValue

N_PREDICT = 256
N_TOP = 10
"""Of each token, so many of the likeliest are asked for; the agreement is measured over them."""


class Side(StrEnum):
    """Which of the two."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def other(self) -> Side:
        """The one opposite."""
        return Side.RIGHT if self is Side.LEFT else Side.LEFT


@dataclass(frozen=True, slots=True)
class DuelOptions:
    """What both are asked with. `temperature` 0 takes the likeliest token each time."""

    seed: int = 0
    temperature: float = 0.0
    system: str | None = None
    """None leaves each model its own."""
    n_predict: int = N_PREDICT
    n_ctx: int | None = None
    cache_type: str | None = None
    engine: str = "auto"
    think: bool | None = None
    order: Order = Order.AUTO
    """In turn, neither takes speed from the other; at once is only done where memory allows it."""

    @property
    def parameters(self) -> Mapping[str, ParameterValue]:
        """Under Ollama's names."""
        return {"seed": self.seed, "temperature": self.temperature, "num_predict": self.n_predict}


@dataclass(frozen=True, slots=True)
class SideStarted:
    """A side has been asked."""


@dataclass(frozen=True, slots=True)
class SideFailed:
    """A side gave no answer, or broke off; the other goes on."""

    error: KdmgrError


@dataclass(frozen=True, slots=True)
class DuelEvent:
    """Something that happened on one side."""

    side: Side
    event: ChatEvent | SideStarted | SideFailed


@dataclass(frozen=True, slots=True)
class Outcome:
    """How two answers compare. `agreement` is a text where there is none to measure: why."""

    difference: Difference
    agreement: Agreement | str


class Fighter(Protocol):
    """What a duel needs of a chat; `ChatSession` is one."""

    model_name: str
    engine_name: str
    reason: str
    warnings: tuple[str, ...]
    n_ctx: int | None
    n_top: int

    def send(self, text: str) -> AsyncGenerator[ChatEvent, None]:
        """Ask, and stream the answer."""

    def reset(self) -> None:
        """Forget the conversation."""

    def set_parameters(self, parameters: Mapping[str, ParameterValue], think: bool | None, /) -> None:
        """Ask with these from now on."""

    def continue_from(self, question: str, so_far: str, n_tokens: int, /) -> AsyncGenerator[ChatEvent, None]:
        """What the model writes after `so_far` as the beginning of its own answer."""

    async def unload(self) -> None:
        """Free the model's memory."""

    async def close(self) -> None:
        """Stop what was started."""


@dataclass
class Duel:
    """Two models, open. `answers` are those to the last question."""

    left: Fighter
    right: Fighter
    schedule: Schedule
    names: tuple[str, str]
    """What to call them, from left to right."""
    kept: frozenset[Side] = frozenset()
    """Sides whose model was in a server's memory before: they are not unloaded."""
    answers: dict[Side, DuelAnswer] = field(default_factory=dict)

    def fighter(self, side: Side) -> Fighter:
        """The chat of a side."""
        return self.left if side is Side.LEFT else self.right

    def name(self, side: Side) -> str:
        """What to call a side."""
        return self.names[0 if side is Side.LEFT else 1]

    async def ask(self, prompt: str, options: DuelOptions) -> AsyncGenerator[DuelEvent, None]:
        """Ask both, and stream what each answers. Closing the stream stops both; what has come stays in `answers`.

        A side that fails says so in an event, and the other goes on.
        """
        self.answers = {side: DuelAnswer() for side in Side}
        for side in Side:
            self._prepare(self.fighter(side), options)
        if self.schedule.together:
            stream = _merge(*(self._ask_side(side, prompt) for side in Side))
        else:
            stream = self._ask_in_turn(prompt)
        async with aclosing(stream) as events:
            async for event in events:
                yield event

    def outcome(self) -> Outcome | None:
        """How the last answers compare, as far as they have come; None before there are any, or where one failed."""
        left, right = (self.answers.get(side) for side in Side)
        if left is None or right is None or not (left.output and right.output):
            return None
        return Outcome(find_difference(left.text, right.text), compare_streams(left.stream, right.stream))

    async def force(self, prompt: str) -> AsyncGenerator[Agreement | str, None]:
        """Have the right model read the left one's last answer: the agreement so far, again and again.

        One text says why that cannot be done.
        """
        answer = self.answers.get(Side.LEFT)
        if answer is None:
            yield "nothing was asked yet"
            return
        problem = why_not(self.right, answer)
        if problem is not None:
            yield problem
            return
        async with aclosing(force(self.right, prompt, answer)) as steps:
            async for agreement in steps:
                yield agreement

    async def close(self) -> None:
        """Stop what was started for it."""
        await asyncio.gather(self.left.close(), self.right.close())

    def _prepare(self, fighter: Fighter, options: DuelOptions) -> None:
        fighter.reset()
        fighter.set_parameters(options.parameters, options.think)
        fighter.n_top = N_TOP

    async def _ask_in_turn(self, prompt: str) -> AsyncGenerator[DuelEvent, None]:
        for side in Side:
            if self.schedule.frees_memory and side.other not in self.kept:
                # What cannot be unloaded is for the engine to cope with: it says so where it cannot.
                with suppress(KdmgrError):
                    await self.fighter(side.other).unload()
            async with aclosing(self._ask_side(side, prompt)) as events:
                async for event in events:
                    yield event

    async def _ask_side(self, side: Side, prompt: str) -> AsyncGenerator[DuelEvent, None]:
        answer = self.answers[side]
        yield DuelEvent(side, SideStarted())
        try:
            async with aclosing(self.fighter(side).send(prompt)) as events:
                async for event in events:
                    answer.take(event)
                    yield DuelEvent(side, event)
        except KdmgrError as error:
            answer.error = error
            yield DuelEvent(side, SideFailed(error))


async def _merge(*streams: AsyncGenerator[DuelEvent, None]) -> AsyncGenerator[DuelEvent, None]:
    """The events of all streams as they come. Closing it stops and closes them all; a bug in one surfaces here."""
    events: asyncio.Queue[DuelEvent | None] = asyncio.Queue()

    async def forward(stream: AsyncGenerator[DuelEvent, None]) -> None:
        try:
            async with aclosing(stream) as source:
                async for event in source:
                    events.put_nowait(event)
        finally:
            events.put_nowait(None)

    tasks = [asyncio.create_task(forward(stream)) for stream in streams]
    n_open = len(tasks)
    try:
        while n_open:
            event = await events.get()
            if event is None:
                n_open -= 1
            else:
                yield event
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
