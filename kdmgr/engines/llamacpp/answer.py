"""The chunks of llama.cpp's answer, read into deltas and figures."""

from __future__ import annotations

from collections.abc import Mapping

from kdmgr.engines.logprobs import read_tokens
from kdmgr.engines.protocol import ChatDelta, ChatStats
from kdmgr.errors import EngineFailed

Chunk = Mapping[str, object]


class AnswerReader:
    """Reads the chunks of one answer, chat or raw completion."""

    def __init__(self) -> None:
        self._timings: Chunk = {}
        self._n_output = 0
        self._n_told = 0
        self._stop_reason = "stop"

    def read(self, chunk: Chunk) -> ChatDelta | None:
        """The piece of text in a chunk, if it has one. Raises `EngineFailed` for an error."""
        if "error" in chunk:
            raise _refusal(chunk["error"])
        timings = chunk.get("timings")
        if isinstance(timings, Mapping):
            self._timings = timings
            self._n_output = int(_number(timings, "predicted_n") or 0)
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices:
            return None
        self._stop_reason = choices[0].get("finish_reason") or self._stop_reason
        text, thinking = _texts(choices[0])
        if not (text or thinking):
            return None
        # Tokens that showed no text of their own (half a character) count with the piece that completes them.
        n_tokens, self._n_told = self._n_output - self._n_told, self._n_output
        logprobs = choices[0].get("logprobs")
        told = logprobs.get("content") if isinstance(logprobs, Mapping) else None
        return ChatDelta(text, thinking, n_tokens, read_tokens(told))

    def stats(self, *, load_s: float, ttft_s: float | None, total_s: float, n_ctx: int | None) -> ChatStats:
        """The figures at the end."""
        evaluated, cached = _number(self._timings, "prompt_n"), _number(self._timings, "cache_n")
        prompt_ms, speed = _number(self._timings, "prompt_ms"), _number(self._timings, "predicted_per_second")
        return ChatStats(
            n_prompt=None if evaluated is None or cached is None else int(evaluated + cached),
            n_cached=None if cached is None else int(cached),
            n_output=self._n_output,
            prompt_s=None if prompt_ms is None else prompt_ms / 1000,
            # llama.cpp's clock starts at the first token, and its speed counts the others:
            # taken over all tokens, this is the duration at that speed.
            decode_s=self._n_output / speed if speed else None,
            load_s=load_s,
            ttft_s=ttft_s,
            total_s=total_s,
            n_ctx=n_ctx,
            stop_reason="length" if self._stop_reason == "length" else "stop",
        )


def _texts(choice: Chunk) -> tuple[str, str]:
    """Text and thinking of one choice: a chat's delta, or a completion's text."""
    delta = choice.get("delta")
    if not isinstance(delta, Mapping):
        return str(choice.get("text") or ""), ""
    return str(delta.get("content") or ""), str(delta.get("reasoning_content") or "")


def _number(values: Chunk, name: str) -> float | None:
    value = values.get(name)
    return value if isinstance(value, int | float) else None


def _refusal(error: object) -> EngineFailed:
    if not isinstance(error, Mapping):
        return EngineFailed(f"llama.cpp refused: {error}")
    if error.get("type") == "exceed_context_size_error":
        return EngineFailed(
            f"the conversation takes {error.get('n_prompt_tokens', '?')} tokens, "
            f"but the context holds {error.get('n_ctx', '?')}",
            hint="start a new chat, or ask for a larger context with --ctx-size",
        )
    return EngineFailed(f"llama.cpp refused: {error.get('message', 'without a reason')}")
