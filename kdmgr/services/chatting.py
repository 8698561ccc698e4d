"""One conversation: what was said, what the next question is asked with, and keeping it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING

from kdmgr.engines.protocol import ChatDelta, ChatEvent, ChatMessage, ChatRequest, ChatStats, Engine, EngineModel
from kdmgr.errors import KdmgrError, UsageError
from kdmgr.history.chat_records import DONE, FAILED, STOPPED, Figures, ImageRecord, TurnRecord
from kdmgr.services.chat_keeping import now
from kdmgr.services.picture_book import PictureBook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdmgr.engines.protocol import LoadedModel, ParameterValue
    from kdmgr.services.chat_keeping import ChatKeeper

SAVE_EVERY_S = 2.0
"""Seconds between two times that an answer is written down while it streams."""
PLACE_S = 2.0
"""Seconds that an engine gets to say where the model is."""


@dataclass
class ChatSettings:
    """What a question is asked with; changes hold from the next one on."""

    system: str | None = None
    """None: the model's own."""
    think: bool | None = None
    parameters: Mapping[str, ParameterValue] | None = None


class ChatSession:
    """One conversation with one model on one engine."""

    def __init__(
        self,
        engine: Engine,
        model: EngineModel,
        *,
        reason: str,
        n_ctx: int | None = None,
        cache_type: str | None = None,
        history: tuple[ChatMessage, ...] = (),
        warnings: tuple[str, ...] = (),
        settings: ChatSettings | None = None,
        turns: Sequence[TurnRecord] = (),
        keeper: ChatKeeper | None = None,
        sees_images: bool | None = None,
        save_every_s: float = SAVE_EVERY_S,
    ) -> None:
        self.engine_name = engine.name
        self.model_name = model.name
        self.reason = reason
        self.n_ctx = n_ctx
        self.warnings = warnings
        self.settings = settings or ChatSettings()
        self.keeper = keeper
        self.sees_images = sees_images
        """None: nobody has told."""
        self.turns = list(turns)
        """What was asked and answered, failed answers too."""
        self.n_top = 0
        """Of each token, so many of the likeliest in its place are asked for."""
        self._engine = engine
        self._model = model
        self._cache_type = cache_type
        self._opening = history
        self._save_every_s = save_every_s
        self.left_out: tuple[str, ...] = ()
        """Of earlier questions' pictures, what the model is not sent any more with the last one, and why."""
        self._pictures = PictureBook()

    @property
    def own_system(self) -> str | None:
        """The model's own system prompt; None where only its server knows."""
        return self._model.system

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """The conversation so far, the model's own opening included."""
        messages = list(self._opening)
        for turn in self.turns:
            if turn.counts:
                question = ChatMessage("user", turn.question, self._pictures.contents(turn.images))
                messages += [question, ChatMessage("assistant", turn.answer)]
        return tuple(messages)

    async def load_images(self, images: tuple[ImageRecord, ...]) -> tuple[ImageRecord, ...]:
        """Read what is to be sent, and say what it is; raises where that cannot be sent."""
        if images and self.sees_images is False:
            why = "the embedded engine takes none: a model that sees them runs through Ollama"
            raise UsageError(
                f"{self.model_name} sees no pictures on {self.engine_name}",
                hint=why if self.engine_name == "llamacpp" else "ask without it, or choose a model that sees",
            )
        return tuple([await self._pictures.add(image) for image in images])

    async def send(self, text: str, images: tuple[ImageRecord, ...] = ()) -> AsyncGenerator[ChatEvent, None]:
        """Ask, and stream the answer; ends with one `ChatStats`.

        Closing the stream stops the answer; what had come of it stays in the conversation. When the
        engine fails, the turn is no part of the conversation, so that it can be asked once more.
        """
        images = await self.load_images(images)
        earlier = [image for turn in self.turns if turn.counts for image in turn.images]
        self.left_out = await self._pictures.fetch(earlier, seen=self.sees_images is not False)
        request = self._request((*self.messages, ChatMessage("user", text, self._pictures.contents(images))))
        turn = self._begin(text, images)
        answer: list[str] = []
        thinking: list[str] = []
        saved = monotonic()
        try:
            async with aclosing(self._engine.chat(request)) as events:
                async for event in events:
                    if isinstance(event, ChatDelta):
                        answer.append(event.text)
                        thinking.append(event.thinking)
                        if monotonic() - saved >= self._save_every_s:
                            saved = monotonic()
                            self._keep(replace(turn, answer="".join(answer), thinking="".join(thinking)))
                    elif isinstance(event, ChatStats):
                        self.n_ctx = event.n_ctx or self.n_ctx
                        turn = replace(turn, state=DONE, figures=Figures(**asdict(event)))
                    yield event
        except KdmgrError as error:
            turn = replace(turn, state=FAILED, error=error.message)
            raise
        finally:
            state = STOPPED if turn.figures is None and turn.state != FAILED else turn.state
            self._end(replace(turn, state=state, answer="".join(answer), thinking="".join(thinking)))

    def drop_from(self, at: int) -> None:
        """Take the turns from `at` on out of the conversation: they are asked again."""
        dropped, self.turns = self.turns[at:], self.turns[:at]
        if self.keeper is not None and dropped:
            self.keeper.replace(dropped)

    def branch(self, at: int) -> None:
        """Go on from before turn `at` in a chat of its own; the one so far stays saved as it is."""
        kept = self.turns[:at]
        self.turns = self.keeper.begin_anew(kept) if self.keeper is not None else kept

    async def continue_from(self, question: str, so_far: str, n_tokens: int) -> AsyncGenerator[ChatEvent, None]:
        """What the model writes after `so_far` as the beginning of its answer; the conversation stays as it is.

        Only the embedded engine goes on from there: a server may take it for a turn that has ended.
        """
        asked = (*self._opening, ChatMessage("user", question))
        begun = (ChatMessage("assistant", so_far),) if so_far else ()
        request = self._request((*asked, *begun), num_predict=n_tokens)
        async with aclosing(self._engine.chat(request)) as events:
            async for event in events:
                yield event

    def reset(self) -> None:
        """Begin anew, keep the model loaded; what was said stays saved."""
        self.branch(0)

    def change(self, settings: ChatSettings) -> None:
        """Other settings from the next question on."""
        self.settings = settings
        if self.keeper is not None:
            self.keeper.change(system=settings.system, think=settings.think, parameters=dict(settings.parameters or {}))

    async def find_placement(self) -> LoadedModel | None:
        """How much memory the loaded model takes where; None when the engine does not say so in time."""
        try:
            async with asyncio.timeout(PLACE_S):
                loaded = await self._engine.loaded_models()
        except (KdmgrError, TimeoutError):
            return None
        name = self._model.name.lower()
        return next((model for model in loaded if model.name.lower() == name), None)

    def set_parameters(self, parameters: Mapping[str, ParameterValue], think: bool | None) -> None:
        """Ask with these from the next question on, the system prompt as it is; nothing of it is saved."""
        self.settings = replace(self.settings, parameters=dict(parameters), think=think)

    async def unload(self) -> None:
        """Free the model's memory; the next question loads it again."""
        await self._engine.unload(self._model)

    async def close(self) -> None:
        """Stop what was started for this chat."""
        try:
            await self._engine.close()
        finally:
            if self.keeper is not None:
                await self.keeper.close()

    def _request(self, messages: tuple[ChatMessage, ...], **parameters: ParameterValue) -> ChatRequest:
        settings, model = self.settings, self._model
        if settings.system is not None:
            model = replace(model, system=settings.system)
        return ChatRequest(
            model=model,
            messages=messages,
            n_ctx=self.n_ctx,
            cache_type=self._cache_type,
            think=settings.think,
            parameters={**(settings.parameters or {}), **parameters},
            n_top=self.n_top,
        )

    def _begin(self, text: str, images: tuple[ImageRecord, ...]) -> TurnRecord:
        turn = TurnRecord(
            at=now(),
            question=text,
            model=self.model_name,
            engine=self.engine_name,
            images=images,
            system=self.settings.system,
            parameters=dict(self.settings.parameters or {}),
        )
        self.turns.append(turn)
        self._keep(turn)
        return turn

    def _end(self, ended: TurnRecord) -> None:
        self.turns = [ended if turn.key == ended.key else turn for turn in self.turns]
        self._keep(ended)

    def _keep(self, turn: TurnRecord) -> None:
        if self.keeper is not None:
            self.keeper.save(turn)
