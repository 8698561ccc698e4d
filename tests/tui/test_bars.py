"""Bars are to scale, and nothing that exists is drawn as nothing."""

from __future__ import annotations

import pytest

from kdmgr.fit.plan import Components, DevicePlan
from kdmgr.services.proportions import Part, end_of_memory, memory_parts, scale
from kdmgr.tui.bars import share_bar, sparkline

GIB = 1 << 30


def place(total: int | None, free: int | None, **parts: int | None) -> DevicePlan:
    return DevicePlan("GPU", "cuda", total, free, 1, Components(**parts))  # type: ignore[arg-type]


def test_parts_add_up_to_the_memory() -> None:
    parts = memory_parts(place(12 * GIB, 10 * GIB, weights=4 * GIB, kv_cache=GIB))
    assert {part.label: part.size for part in parts} == {
        "in use": 2 * GIB,
        "weights": 4 * GIB,
        "KV cache": GIB,
        "free": 5 * GIB,
    }
    assert len({part.glyph for part in parts}) == 4


def test_an_unknown_part_is_listed_without_a_size() -> None:
    parts = memory_parts(place(12 * GIB, 12 * GIB, weights=GIB, compute=None))
    assert [part.size for part in parts if part.label == "compute"] == [None]


def test_unknown_memory_draws_only_the_model() -> None:
    assert [part.label for part in memory_parts(place(None, None, weights=GIB))] == ["weights"]


@pytest.mark.parametrize("width", [4, 20, 41, 76, 133])
def test_scale_fills_the_width_and_hides_nothing(width: int) -> None:
    parts = [Part("a", "a", "a", 1), Part("b", "b", "b", 5 * GIB), Part("c", "c", "c", 3 * GIB)]
    runs = scale(parts, width)
    assert sum(run.width for run in runs) == width
    assert all(run.width >= 1 for run in runs)
    assert runs[1].width >= runs[2].width


def test_scale_is_proportional() -> None:
    runs = scale([Part("a", "a", "a", 3 * GIB), Part("b", "b", "b", GIB)], 40)
    assert [run.width for run in runs] == [30, 10]


def test_the_end_of_memory_is_marked_only_when_it_is_exceeded() -> None:
    parts = memory_parts(place(8 * GIB, 8 * GIB, weights=16 * GIB))
    assert end_of_memory(parts, 8 * GIB, 40) == 20
    assert end_of_memory(parts, 16 * GIB, 40) is None


@pytest.mark.parametrize(
    ("share", "drawn"), [(0.0, "────"), (0.01, "╸───"), (0.5, "━━──"), (0.62, "━━╸─"), (1.0, "━━━━"), (7.0, "━━━━")]
)
def test_share_bar(share: float, drawn: str) -> None:
    assert "".join(share_bar(share, 4)) == drawn


def test_sparkline_starts_at_zero_and_keeps_the_newest() -> None:
    assert sparkline([1, 50, 100], 2) == "▄█"
    assert sparkline([0, 0], 5) == "▁▁"
    assert sparkline([], 5) == ""
