from __future__ import annotations

import pytest

from kdmgr.engines.llamacpp.answer import AnswerReader
from kdmgr.engines.protocol import ChatDelta, ChatStats
from kdmgr.errors import EngineFailed


def timings(n: int) -> dict[str, float]:
    """As llama.cpp of October 2026 sends them: 38 tokens of prompt of which 7 were cached, 100 tok/s."""
    return {
        "cache_n": 7, "prompt_n": 31, "prompt_ms": 62.0, "predicted_n": n,
        "predicted_ms": max(0.001, (n - 1) * 10), "predicted_per_second": 0.0 if n < 2 else 100.0,
    }  # fmt: skip


def piece(n: int, **delta: str | None) -> dict[str, object]:
    return {"choices": [{"finish_reason": None, "index": 0, "delta": delta}], "timings": timings(n)}


def end(reason: str) -> dict[str, object]:
    return {"choices": [{"finish_reason": reason, "index": 0, "delta": {}}]}


def stats(reader: AnswerReader) -> ChatStats:
    return reader.stats(load_s=0.0, ttft_s=0.1, total_s=1.0, n_ctx=4096)


def test_pieces_carry_their_tokens() -> None:
    reader = AnswerReader()
    chunks: list[dict[str, object]] = [
        {"choices": [{"finish_reason": None, "index": 0, "delta": {"role": "assistant", "content": None}}]},
        piece(1, reasoning_content="Hm"),
        piece(2, content="Hi"),
        piece(4, content=" 🌊"),
        end("length"),
        {"choices": [], "usage": {"completion_tokens": 5}, "timings": timings(5)},
    ]
    assert [delta for chunk in chunks if (delta := reader.read(chunk))] == [
        ChatDelta(thinking="Hm", n_tokens=1),
        ChatDelta(text="Hi", n_tokens=1),
        ChatDelta(text=" 🌊", n_tokens=2),
    ]
    found = stats(reader)
    assert (found.n_prompt, found.n_cached, found.n_output, found.stop_reason) == (38, 7, 5, "length")
    assert found.decode_tok_s == pytest.approx(100.0)
    assert found.prefill_tok_s == pytest.approx(31 / 0.062)


def test_tokens_without_text_count_with_the_next_piece() -> None:
    reader = AnswerReader()
    assert reader.read(piece(1, content=None)) is None
    assert reader.read(piece(2, content="é")) == ChatDelta(text="é", n_tokens=2)


def test_a_completion_is_read_too() -> None:
    reader = AnswerReader()
    chunk = {"choices": [{"text": " blue", "index": 0, "finish_reason": "stop"}], "timings": timings(1)}
    assert reader.read(chunk) == ChatDelta(text=" blue", n_tokens=1)
    assert stats(reader).stop_reason == "stop"


def test_one_token_has_no_speed() -> None:
    reader = AnswerReader()
    reader.read(piece(1, content="x"))
    assert stats(reader).decode_tok_s is None


def test_an_answer_without_figures_has_unknown_ones() -> None:
    found = stats(AnswerReader())
    assert (found.n_prompt, found.n_cached, found.prompt_s, found.decode_s) == (None, None, None, None)


def test_a_full_context_is_explained() -> None:
    error = {"code": 400, "type": "exceed_context_size_error", "message": "…", "n_prompt_tokens": 7201, "n_ctx": 4096}
    with pytest.raises(EngineFailed, match="takes 7201 tokens, but the context holds 4096") as failed:
        AnswerReader().read({"error": error})
    assert failed.value.hint is not None
    assert "--ctx-size" in failed.value.hint


@pytest.mark.parametrize("error", [{"message": "no such field"}, "no such field"])
def test_other_errors_are_passed_on(error: object) -> None:
    with pytest.raises(EngineFailed, match="refused: no such field"):
        AnswerReader().read({"error": error})
