"""A chat that goes on whether or not anybody looks: opening its model, asking, stopping, asking again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from kdmgr.engines.protocol import ChatDelta, ChatEvent, ChatStats, ModelLoading
from kdmgr.errors import KdmgrError
from kdmgr.services.live_entries import Asked, LiveEntries, LiveTurn, Notice, Phase, Running
from kdmgr.services.placement_words import describe_spill
from kdmgr.services.rate import RateMeter

if TYPE_CHECKING:
    from kdmgr.history.chat_records import ImageRecord
    from kdmgr.services.chatting import ChatSession, ChatSettings

NEARLY_FULL = 0.85
"""Share of the context from which on there is a warning."""
CLOSE_S = 3.0
"""Seconds an engine gets to end before it is left to itself."""


class LiveChat(LiveEntries):
    """One chat. `watch` is called after each change of phase or of what there is to see; pieces of an answer, which
    come by the hundred, are for whoever looks to fetch.
    """

    def __init__(
        self,
        open_session: Callable[[], Awaitable[ChatSession]],
        run: Callable[[Coroutine[Any, Any, None]], Running],
        *,
        name: str,
        title: str = "",
    ) -> None:
        super().__init__()
        self.phase = Phase.OPENING
        self.name = name
        """Of the model."""
        self.session: ChatSession | None = None
        self.answering: LiveTurn | None = None
        self.loading: ModelLoading | None = None
        """The model is being loaded."""
        self.meter = RateMeter()
        self.used: int | None = 0
        """Tokens of the conversation in the context."""
        self.ended = 0.0
        """When the last answer ended, by the monotonic clock."""
        self.opened: Callable[[LiveChat], None] = lambda chat: None
        """Called once the model is open, before anything is asked."""
        self._open_session = open_session
        self._run = run
        self._title = title
        self._last_n_ctx: int | None = None
        self._work: Running | None = None
        self._waiting: Asked | None = None
        self.refused: Asked | None = None
        """A question that was not answered, to give back to its writer."""
        self._after: Callable[[], None] | None = None

    @property
    def title(self) -> str:
        """Its own, or else the beginning of its first question, or nothing yet."""
        keeper = self.session.keeper if self.session else None
        return keeper.record.title if keeper and keeper.record.title else self._title

    @property
    def number(self) -> int:
        """By which commands know it; 0 while nothing of it is saved."""
        keeper = self.session.keeper if self.session else None
        return keeper.number if keeper else 0

    @property
    def streaming(self) -> bool:
        """Whether an answer is under way."""
        return self.phase in (Phase.ANSWERING, Phase.STOPPING)

    @property
    def n_ctx(self) -> int | None:
        """Tokens that the context holds, or held the last time; None is unknown."""
        return (self.session.n_ctx or self._last_n_ctx) if self.session else None

    @property
    def n_used(self) -> int | None:
        """Tokens in the context by now."""
        return None if self.used is None else self.used + (self.meter.n_tokens if self.answering else 0)

    # What can be done with it

    def open(self) -> None:
        """Open the model, without asking anything."""
        self._start()

    def ask(self, text: str, images: tuple[ImageRecord, ...] = (), *, at: int | None = None) -> bool:
        """Ask, now or as soon as the model is open; false while an answer is under way."""
        if self.streaming or self._waiting is not None:
            return False
        self._waiting = Asked(text, images, at)
        if self.phase is not Phase.OPENING:
            self._start()
        return True

    def stop(self) -> None:
        """Stop the answer."""
        if self.phase is Phase.ANSWERING and self._work is not None:
            self._set_phase(Phase.STOPPING)
            self._work.cancel()

    def retry(self) -> bool:
        """Ask the last question again; its answer goes out of the conversation. False when there is nothing to."""
        turns = self.turns
        return bool(turns) and self.ask_instead(len(turns) - 1, turns[-1].question, turns[-1].images)

    def ask_instead(self, at: int, text: str, images: tuple[ImageRecord, ...] = ()) -> bool:
        """Ask `text` in place of question `at`.

        In place of the last one it takes its place; in place of an earlier one the chat goes on from there as
        another, and what there was stays saved under its own title.
        """
        can = not self.streaming and self.session is not None and 0 <= at < len(self.turns)
        return can and self.ask(text, images, at=at)

    def begin_anew(self) -> None:
        """Another chat with the same model; an answer under way is stopped first. What was said stays saved."""
        if self.streaming:
            self._after = self.begin_anew
            self.stop()
        elif self.session is not None:
            self.session.reset()
            self._title = ""
            self.entries = [notice for notice in self.notices if notice.is_lasting]
            self._measure()
            self._set_phase(Phase.READY)

    def change(self, settings: ChatSettings, title: str = "") -> None:
        """Other settings from the next question on, and a title if there is one."""
        if self.session is None:
            return
        self.session.change(settings)
        if title and self.session.keeper is not None:
            self.session.keeper.change(title=title)
        self._title = title or self._title
        self.watch()

    async def close(self) -> None:
        """Stop what was started for it."""
        if self._work is not None:
            self._work.cancel()
        if self.session is not None:
            # Where that fails there is nobody left to tell, and nothing left to do.
            with suppress(KdmgrError, TimeoutError):
                await asyncio.wait_for(self.session.close(), CLOSE_S)

    # One question after the other

    def _start(self) -> None:
        self._work = self._run(self._converse())

    async def _converse(self) -> None:
        """Open the chat if it is not, then ask what waits."""
        opened = self.session is not None or await self._open()
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        if opened and self.session is not None:
            await self._ask(self.session, waiting)
        else:
            self.refused = waiting
            self.watch()

    async def _open(self) -> bool:
        self.remove([notice for notice in self.notices if notice.kind == "error"])
        self._set_phase(Phase.OPENING)
        try:
            session = await self._open_session()
        except KdmgrError as error:
            self.notice(Notice(error.message, "error", error.hint))
            self._set_phase(Phase.FAILED)
            return False
        self.session = session
        for warning in session.warnings:
            self.notice(Notice(warning))
        self.entries += [LiveTurn.saved(turn) for turn in session.turns]
        self._measure()
        self.opened(self)
        self._set_phase(Phase.READY)
        return True

    async def _ask(self, session: ChatSession, asked: Asked) -> None:
        """One question and its answer; ends in any way, the chat can go on."""
        self.meter, self.loading = RateMeter(), None
        self._set_phase(Phase.ANSWERING)
        turn: LiveTurn | None = None
        try:
            # Before anything is taken back for it: a picture that is gone costs no answer that was there.
            images = await session.load_images(asked.images)
            self._take_back(session, asked.at)
            turn = self.answering = LiveTurn(asked.text, images)
            self.entries.append(turn)
            self.watch()
            async with aclosing(session.send(asked.text, images)) as events:
                async for event in events:
                    self._take(event, turn)
            await self._look_where(session)
        except KdmgrError as error:
            self._fail(error, turn, asked)
        finally:
            self._end(session, turn)

    def _take_back(self, session: ChatSession, at: int | None) -> None:
        """Question `at` and what follows are asked in another way."""
        if at is None:
            return
        turns = self.turns
        if at == len(turns) - 1:
            session.drop_from(at)
        else:
            kept = self.title
            session.branch(at)
            self.notice(Notice(f"the {len(turns) - at} turns from here on stay in {kept!r}", "note"))
        self.remove(turns[at:])
        self._measure()

    def _fail(self, error: KdmgrError, turn: LiveTurn | None, asked: Asked) -> None:
        """Say so where the answer stands; of a question that could not even be asked, at the end."""
        self.refused = asked
        if turn is not None:
            turn.error = error
        else:
            self.notice(Notice(error.message, "error", error.hint))

    def _take(self, event: ChatEvent, turn: LiveTurn) -> None:
        if isinstance(event, ModelLoading):
            self.loading = event
            self.watch()
        elif isinstance(event, ChatDelta):
            if event.text:
                turn.pieces.append(event.text)
            if event.thinking:
                turn.thoughts.append(event.thinking)
            self.meter.add(event.n_tokens)
        elif isinstance(event, ChatStats) and event.n_prompt is not None and event.n_output is not None:
            # The pieces of this answer are among them.
            self.used = event.n_prompt + event.n_output - self.meter.n_tokens

    async def _look_where(self, session: ChatSession) -> None:
        """Once after each load: whether part of the model is not on the GPU."""
        if self.loading is None:
            return
        placed = await session.find_placement()
        spill = describe_spill(placed) if placed is not None else None
        if spill is not None:
            self.notice(Notice(*spill, topic="spill"))

    def _end(self, session: ChatSession, turn: LiveTurn | None) -> None:
        if turn is not None:
            turn.record = session.turns[-1] if session.turns else None
            turn.pieces, turn.thoughts = ["".join(turn.pieces)], ["".join(turn.thoughts)]
            turn.n_tokens, turn.counted = self.meter.n_tokens, self.meter.counted
            if turn.error is None and self.used is not None:
                # What failed is no part of the conversation.
                self.used += self.meter.n_tokens
        self.answering, self.loading, self.ended = None, None, monotonic()
        for left_out in session.left_out:
            self.notice(Notice(left_out, topic=left_out))
        if self.share is not None and self.share >= NEARLY_FULL:
            self.notice(Notice("the context is nearly full", hint="ctrl+n begins anew", topic="full"))
        problem = session.keeper.problem if session.keeper else None
        if problem is not None:
            self.notice(Notice(f"this chat is not saved: {problem.message}", hint=problem.hint, topic="saving"))
        self._set_phase(Phase.READY)
        after, self._after = self._after, None
        if after is not None:
            after()

    @property
    def share(self) -> float | None:
        """How full the context is; None is unknown."""
        return self.n_used / self.n_ctx if self.n_ctx and self.n_used is not None else None

    def _measure(self) -> None:
        """What the conversation takes, by the figures of its last answer."""
        self.used = 0
        turns = self.session.turns if self.session else []
        figures = next((turn.figures for turn in reversed(turns) if turn.figures), None)
        if figures is not None:
            known = figures.n_prompt is not None and figures.n_output is not None
            self.used = (figures.n_prompt or 0) + (figures.n_output or 0) if known else None
            self._last_n_ctx = figures.n_ctx

    def _set_phase(self, phase: Phase) -> None:
        self.phase = phase
        self.watch()
