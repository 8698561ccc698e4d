"""The live read-out of a chat."""

from __future__ import annotations

import pytest

from kdmgr.services.rate import RateMeter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_said_before_a_token_has_come() -> None:
    assert RateMeter(Clock()).tok_s is None


def test_only_the_last_second_counts() -> None:
    clock = Clock()
    meter = RateMeter(clock)
    for _ in range(30):
        clock.now += 0.1
        meter.add(2)
    assert meter.tok_s == pytest.approx(20, abs=2)
    for _ in range(20):
        clock.now += 0.1
        meter.add(1)
    assert meter.tok_s == pytest.approx(10, abs=1)
    clock.now += 2
    assert meter.tok_s == 0
    assert meter.n_tokens == 80


def test_pieces_without_a_count_are_counted_as_pieces_and_marked_so() -> None:
    meter = RateMeter(Clock())
    meter.add(1)
    assert meter.counted
    meter.add(None)
    assert not meter.counted
    assert meter.n_tokens == 2
