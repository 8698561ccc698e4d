"""A model that was just imported, tried: a short greedy answer, beside the embedded engine's to the same prompt.

What looks odd is a hint: a small model may answer oddly and be as its makers left it.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.engines.protocol import ChatDelta, ChatMessage, ChatRequest, ChatStats, Engine, EngineModel
from kdmgr.errors import KdmgrError
from kdmgr.services.receipts import SmokeResult
from kdmgr.units import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdmgr.engines.protocol import ParameterValue

N_PREDICT = 16
CHAT_PROMPT = "Name the capital of France."
TEXT_PROMPT = "The capital of France is"
GREEDY: Mapping[str, ParameterValue] = {"temperature": 0.0, "seed": 0, "repeat_penalty": 1.0, "num_predict": N_PREDICT}
_MARKERS = ("<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>", "<|eot_id|>", "<|start_header_id|>",
            "<|assistant|>", "<|user|>", "<|end|>", "[INST]", "[/INST]", "<|endoftext|>")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one short answer."""

    text: str
    stats: ChatStats | None


async def ask(engine: Engine, model: EngineModel, prompt: str, *, n_ctx: int | None = None) -> Answered:
    """A short greedy answer. Raises as `Engine.chat` does."""
    request = ChatRequest(model, (ChatMessage("user", prompt),), n_ctx=n_ctx, parameters=GREEDY)
    pieces: list[str] = []
    stats = None
    async with aclosing(engine.chat(request)) as events:
        async for event in events:
            if isinstance(event, ChatDelta):
                pieces.append(event.thinking + event.text)
            elif isinstance(event, ChatStats):
                stats = event
    return Answered("".join(pieces), stats)


async def try_model(server: Engine, name: str, other: tuple[Engine, EngineModel] | str, *, chats: bool) -> SmokeResult:
    """The server's answer, and the embedded engine's; `other` says why there is none to compare with.

    Raises what the server raises; the embedded engine's failure is only said.
    """
    prompt = CHAT_PROMPT if chats else TEXT_PROMPT
    first = await ask(server, EngineModel(name), prompt)
    compared = await _compare(first.text, other, prompt)
    return SmokeResult(
        prompt=prompt,
        answer=printable(first.text),
        comparison=compared[0],
        other=compared[1],
        first_difference=compared[2],
        hints=find_hints(first.text),
        decode_tok_s=first.stats.decode_tok_s if first.stats else None,
        n_ctx=first.stats.n_ctx if first.stats else None,
    )


async def _compare(
    text: str, other: tuple[Engine, EngineModel] | str, prompt: str
) -> tuple[str, str | None, int | None]:
    if isinstance(other, str):
        return f"not compared: {other}", None, None
    engine, model = other
    try:
        second = (await ask(engine, model, prompt, n_ctx=512)).text
    except KdmgrError as error:
        return f"not compared: {error.message}", None, None
    finally:
        await engine.close()
    # Engines differ in whether they keep the blank before the first word.
    left, right = text.strip(), second.strip()
    if left == right:
        return "same", printable(second), None
    return "differs", printable(second), _first_difference(left, right)


def _first_difference(left: str, right: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def find_hints(text: str) -> tuple[str, ...]:
    """What looks odd about an answer."""
    words = text.split()
    found = []
    if not words:
        found.append("the answer is empty: is a stop text also the first token?")
    leaked = [marker for marker in _MARKERS if marker in text]
    if leaked:
        found.append(f"marks of a chat template stand in the answer ({leaked[0]}): template and stops may not match")
    if len(words) >= 6 and max(words.count(word) for word in set(words)) > len(words) / 2:
        found.append("one word is repeated again and again: the template or the weights may be wrong")
    odd = sum(not (char.isprintable() or char in "\n\t") or char == "\ufffd" for char in text)
    letters = sum(char.isalnum() for char in text)
    if odd > 1 or (len(text) >= 16 and letters < len(text) / 4):
        found.append("it is hardly text: the weights may be damaged, or the tokenizer another model's")
    return tuple(found)
