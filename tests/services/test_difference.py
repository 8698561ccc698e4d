"""Where two texts part: never inside a character, blanks around them left out of account."""

from __future__ import annotations

import pytest

from kdmgr.services.difference import find_difference
from kdmgr.services.graphemes import cut_before


@pytest.mark.parametrize(
    ("left", "right", "shared", "word", "words"),
    [
        ("the sea is wide", "the sea is deep", 11, 4, ("wide", "deep")),
        ("the sea is", "the sea is deep", 10, 4, ("", "deep")),
        ("a bc", "a b c", 3, 2, ("bc", "b")),
        ("", "word", 0, 1, ("", "word")),
        ("one", "two", 0, 1, ("one", "two")),
        ("x  y", "x\ny", 1, 2, ("y", "y")),
    ],
)
def test_the_first_different_word(left: str, right: str, shared: int, word: int, words: tuple[str, str]) -> None:
    found = find_difference(left, right)
    assert not found.identical
    assert (found.shared, found.word, (found.left_word, found.right_word)) == (shared, word, words)


def test_the_same_but_for_blanks_around_it() -> None:
    found = find_difference("\n Paris.", "Paris. ")
    assert found.identical and found.word is None and found.share == 1.0
    assert (found.shared, found.longer) == (6, 6)


def test_two_empty_answers_are_the_same() -> None:
    assert find_difference("", "  ").identical and find_difference("", "").share == 1.0


def test_places_are_those_of_the_texts_as_they_came() -> None:
    left, right = "  the sea", "the see"
    found = find_difference(left, right)
    assert (left[found.left_at :], right[found.right_at :]) == ("a", "e")
    assert found.share == pytest.approx(6 / 7)


@pytest.mark.parametrize(
    ("left", "right", "at"),
    [
        ("e\u0301t", "e\u0300t", 0),
        ("a👍🏽", "a👍🏿", 1),
        ("a👩\u200d🔬", "a👩\u200d🚀", 1),
        ("🇫🇷🇩🇪", "🇫🇷🇩🇰", 2),
        ("❤\ufe0f", "❤", 0),
        ("한", "한\u11a8", 0),
        ("line\r\n", "line\r", 4),
    ],
)
def test_no_character_is_cut_in_two(left: str, right: str, at: int) -> None:
    found = find_difference(f"{left}.", f"{right}.")
    assert (found.left_at, found.right_at) == (at, at)
    assert find_difference(f"{right}.", f"{left}.").shared == at


def test_cutting_goes_to_the_nearest_beginning() -> None:
    family = "x👩\u200d👧y"
    assert [cut_before(family, at) for at in range(7)] == [0, 1, 1, 1, 4, 5, 5]
