"""Agreement over a whole answer: one model is made to read the other's, and asked at each token what it would write.

This is the share of the first model's tokens that the second would have written too, as when the first drafts
for the second. Each place takes the second model about as long as a token of its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from kdmgr.engines.protocol import ChatDelta, ChatEvent, ChatStats, TokenChance, WrittenToken
from kdmgr.services.agreement import Agreement, measure

if TYPE_CHECKING:
    from kdmgr.services.duel_answer import DuelAnswer

MOST_PLACES = 512
EMBEDDED = "llamacpp"
_END = WrittenToken(TokenChance("", 0.0), ())
"""The reader would end here: no token of the answer agrees with that, and nothing more is told of it."""


class Reader(Protocol):
    """A chat that can be made to continue a text; `ChatSession` is one."""

    engine_name: str
    model_name: str

    def continue_from(self, question: str, so_far: str, n_tokens: int, /) -> AsyncGenerator[ChatEvent, None]:
        """What the model writes after `so_far` as the beginning of its own answer."""


def why_not(reader: Reader, answer: DuelAnswer) -> str | None:
    """Why `reader` cannot be made to read `answer`; None where it can."""
    if reader.engine_name != EMBEDDED:
        return f"{reader.engine_name} cannot be made to read another's answer: --engine {EMBEDDED} can"
    if not answer.tokens:
        return "no probabilities came from the left side"
    if answer.thinking:
        return "the left answer begins with thinking, which the other cannot be made to read"
    if "".join(token.chosen.text for token in answer.tokens) != answer.text:
        return "the left answer's tokens do not make up its text: it holds characters of several tokens"
    return None


async def force(reader: Reader, question: str, answer: DuelAnswer) -> AsyncGenerator[Agreement, None]:
    """The agreement after each place of `answer`; the last one is the whole."""
    places: list[tuple[WrittenToken, WrittenToken]] = []
    so_far = ""
    for token in answer.tokens[:MOST_PLACES]:
        read = await _next_token(reader, question, so_far)
        if read is not None:
            places.append((token, read))
            yield measure(places, "the left answer ends", forced=True)
        so_far += token.chosen.text


async def _next_token(reader: Reader, question: str, so_far: str) -> WrittenToken | None:
    """What `reader` would write next; None where that is half a character, of which the engine tells nothing."""
    async with aclosing(reader.continue_from(question, so_far, 1)) as events:
        async for event in events:
            if isinstance(event, ChatDelta) and event.tokens:
                return event.tokens[0]
            if isinstance(event, ChatStats) and event.stop_reason == "stop":
                return _END
    return None
