"""An answer's figures in words."""

from __future__ import annotations

from kdmgr.services.answer_words import describe_break, describe_meter, describe_stats
from kdmgr.services.rate import RateMeter
from tests.support.chat_engine import stats


def test_figures_are_named_and_what_is_unknown_is_a_question_mark() -> None:
    words = "50.0 tok/s decode · 200.0 tok/s prefill · TTFT 120 ms · 32 in (12 cached) · 120 out · 2.6 s"
    assert describe_stats(stats()) == words
    assert describe_stats(stats(), context=True) == f"{words} · context 152 of 4096"
    assert describe_stats(stats(stop_reason="length")).endswith(" · cut at the length limit")
    unknown = stats(n_prompt=None, n_output=None, decode_s=None, prompt_s=None, ttft_s=None)
    assert describe_stats(unknown, context=True).startswith("? tok/s decode · ? tok/s prefill · TTFT ? · ? in")
    assert "context" not in describe_stats(unknown, context=True)
    assert describe_stats(None) == "no figures: it did not end"


def test_pieces_are_not_called_tokens() -> None:
    meter = RateMeter(clock=iter([0.0, 0.0, 0.5, 0.5]).__next__)
    meter.add(None)
    meter.add(None)
    assert describe_meter(meter) == "4.0 pieces/s · 2 pieces"
    assert describe_break(2, counted=False) == "stopped after 2 pieces"


def test_an_answer_that_broke_off_was_not_stopped() -> None:
    assert describe_break(1, counted=True, failed=True) == "broke off after 1 token"
    assert describe_break(0, counted=True, failed=True) == "failed"
    assert describe_break(0, counted=True) == "stopped"
