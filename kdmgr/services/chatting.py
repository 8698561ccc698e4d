"""Chats: find the model, choose what runs it, keep the conversation."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from kdmgr.engines.protocol import ChatDelta, ChatEvent, ChatMessage, ChatRequest, ChatStats, Engine, EngineModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdmgr.engines.protocol import ParameterValue


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
        parameters: Mapping[str, ParameterValue] | None = None,
    ) -> None:
        self.engine_name = engine.name
        self.model_name = model.name
        self.reason = reason
        self.n_ctx = n_ctx
        self.warnings = warnings
        self.think: bool | None = None
        self.n_top = 0
        """Of each token, so many of the likeliest in its place are asked for."""
        self._engine = engine
        self._model = model
        self._cache_type = cache_type
        self._parameters = dict(parameters or {})
        self._opening = history
        self._messages = list(history)

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """The conversation so far, the model's own opening included."""
        return tuple(self._messages)

    async def send(self, text: str) -> AsyncGenerator[ChatEvent, None]:
        """Ask, and stream the answer; ends with one `ChatStats`.

        Closing the stream stops the answer; what had come of it stays in the conversation. When the
        engine fails, the question is taken out again, so that it can be asked once more.
        """
        question = ChatMessage("user", text)
        request = self._request((*self._messages, question))
        answer: list[str] = []
        try:
            async with aclosing(self._engine.chat(request)) as events:
                async for event in events:
                    if isinstance(event, ChatDelta):
                        answer.append(event.text)
                    elif isinstance(event, ChatStats):
                        self.n_ctx = event.n_ctx or self.n_ctx
                        self._keep(question, answer)
                        answer.clear()
                    yield event
        finally:
            self._keep(question, answer)

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
        """Forget the conversation, keep the model loaded."""
        self._messages = list(self._opening)

    def set_parameters(self, parameters: Mapping[str, ParameterValue]) -> None:
        """Ask with these from the next question on."""
        self._parameters = dict(parameters)

    async def unload(self) -> None:
        """Free the model's memory; the next question loads it again."""
        await self._engine.unload(self._model)

    async def close(self) -> None:
        """Stop what was started for this chat."""
        await self._engine.close()

    def _request(self, messages: tuple[ChatMessage, ...], **parameters: ParameterValue) -> ChatRequest:
        return ChatRequest(
            model=self._model,
            messages=messages,
            n_ctx=self.n_ctx,
            cache_type=self._cache_type,
            think=self.think,
            parameters={**self._parameters, **parameters},
            n_top=self.n_top,
        )

    def _keep(self, question: ChatMessage, answer: list[str]) -> None:
        if answer:
            self._messages += [question, ChatMessage("assistant", "".join(answer))]
