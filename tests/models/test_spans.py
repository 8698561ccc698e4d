"""Which bytes are there, against a plain set of bytes."""

from __future__ import annotations

import random

from kdmgr.models.spans import Spans


def test_spans_are_what_a_set_of_bytes_would_be() -> None:
    chance = random.Random(4)
    for _ in range(300):
        size = chance.randrange(0, 40)
        spans, there = Spans(size), set[int]()
        for _ in range(chance.randrange(12)):
            start = chance.randrange(size + 1)
            end = chance.randrange(size + 1)
            spans.add(start, end)
            there |= set(range(start, end))
            assert spans.total == len(there)
            assert {at for since, to in spans.there() for at in range(since, to)} == there
            assert spans.there() == sorted(spans.there())
            assert spans.prefix == next(at for at in range(size + 1) if at not in there)
            missing = spans.missing(3)
            assert {at for since, to in missing for at in range(since, to)} == set(range(size)) - there
            assert all(0 < to - since <= 3 for since, to in missing)
            assert Spans(size, spans.there()).there() == spans.there()
        assert spans.complete == (len(there) == size)


def test_a_record_of_bytes_that_cannot_be_is_cut() -> None:
    assert Spans(10, [(-5, 3), (8, 99), (7, 2)]).there() == [(0, 3), (8, 10)]
