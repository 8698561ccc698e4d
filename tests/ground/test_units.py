"""Sizes, counts and rates, to text and back."""

from __future__ import annotations

import pytest

from kdmgr.errors import UsageError
from kdmgr.units import (
    format_bytes,
    format_count,
    format_duration,
    format_parameters,
    format_rate,
    parse_bytes,
    parse_count,
    parse_duration,
    printable,
)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (45 << 20, "45.0 MiB"),
        (6 << 30, "6.00 GiB"),
        (-(1 << 30), "-1.00 GiB"),
    ],
)
def test_bytes_are_binary_and_named(size: int | None, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8GiB", 8 << 30),
        ("8G", 8 << 30),
        ("1.5 gib", 3 << 29),
        ("512MiB", 512 << 20),
        ("8GB", 8 * 10**9),
        ("100B", 100),
    ],
)
def test_sizes_parse(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["8", "", "GiB", "-1GiB", "8 apples"])
def test_a_size_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_bytes(text)


@pytest.mark.parametrize(("text", "count"), [("8k", 8192), ("32K", 32768), ("4096", 4096), ("0.5m", 524288)])
def test_counts_parse(text: str, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["0", "-1", "8kk", "", "9999m"])
def test_impossible_counts_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_count(text)


@pytest.mark.parametrize(
    ("count", "text"), [(None, "?"), (4096, "4096"), (8192, "8k"), (131072, "128k"), (10000, "10000")]
)
def test_contexts_are_short_where_that_loses_nothing(count: int | None, text: str) -> None:
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "?"), (268098176, "268M"), (7_600_000_000, "7.6B"), (671_000_000_000, "671B"), (999, "999")],
)
def test_parameters(count: int | None, text: str) -> None:
    assert format_parameters(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "?"), (0.82, "820 ms"), (4.25, "4.2 s"), (187, "3:07"), (3753, "1:02:33")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text


def test_an_unknown_rate_is_not_zero() -> None:
    assert format_rate(None) == "? tok/s"


@pytest.mark.parametrize("hostile", ["\x1b[31mred", "\x9b31m", "a\x07b", "x\u202ey", "\x00"])
def test_nothing_a_terminal_obeys_is_printable(hostile: str) -> None:
    shown = printable(hostile)
    assert len(shown) == len(hostile)
    assert not any(char in shown for char in "\x1b\x9b\x07\u202e\x00")


def test_newlines_tabs_and_other_scripts_stay_as_they_are() -> None:
    assert printable("a\n\tb 模型 é 👍🏽") == "a\n\tb 模型 é 👍🏽"


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1h30m", 5400), (" 1.5 h ", 5400), ("2D", 172800), ("1w", 604800), ("0s", 0)]
)
def test_times_are_read_with_their_units(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "300", "-1s", "1x", "h", "1h,30m", "200000w"])
def test_a_time_without_a_unit_is_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration(text)
