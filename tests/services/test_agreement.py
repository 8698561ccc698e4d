"""Agreement by probabilities: only over what both have read, and no more than can be known."""

from __future__ import annotations

from math import exp, log

import pytest

from kdmgr.engines.protocol import TokenChance, WrittenToken
from kdmgr.services.agreement import Agreement, TokenStream, compare_streams, least_divergence

Chances = dict[str, float]


def top(chances: Chances) -> tuple[TokenChance, ...]:
    return tuple(TokenChance(text, log(p)) for text, p in chances.items())


def written(text: str, chances: Chances | None = None) -> WrittenToken:
    listed = top(chances or {text: 0.9})
    return WrittenToken(TokenChance(text, listed[0].logprob), listed)


def stream(*tokens: WrittenToken) -> TokenStream:
    text, ends = "", []
    for token in tokens:
        text += token.chosen.text
        ends.append(len(text))
    return TokenStream(tokens, ends, text)


def agreed(left: TokenStream, right: TokenStream) -> Agreement:
    found = compare_streams(left, right)
    assert isinstance(found, Agreement), found
    return found


def test_places_count_up_to_the_first_different_token() -> None:
    left = stream(written("The"), written(" sea"), written(" is"), written(" wide"))
    right = stream(written("The"), written(" sea"), written(" was"), written(" wide"))
    found = agreed(left, right)
    assert (found.n_places, found.n_same_top, found.ended) == (3, 2, "the answers part")
    assert found.share == pytest.approx(2 / 3)


def test_a_token_drawn_by_chance_is_not_what_counts() -> None:
    chances = {" sea": 0.6, " see": 0.3}
    left = stream(WrittenToken(top(chances)[0], top(chances)))
    right = stream(WrittenToken(top(chances)[1], top(chances)))
    found = agreed(left, right)
    assert (found.n_places, found.n_same_top) == (1, 1)
    assert found.kl == pytest.approx(0.0, abs=1e-9)


def test_the_same_text_in_other_tokens_is_no_difference_and_no_agreement() -> None:
    left = stream(written("The"), written(" seaside"), written("."))
    right = stream(written("The"), written(" sea"), written("side"), written("."))
    assert agreed(left, right).n_places == 1
    assert agreed(left, right).ended == "they cut the same text into different tokens"
    reason = compare_streams(stream(written("seaside")), stream(written("sea"), written("side")))
    assert isinstance(reason, str) and "different vocabularies" in reason


@pytest.mark.parametrize(("n_left", "ended"), [(2, "both answers end"), (1, "one answer ends")])
def test_answers_may_just_end(n_left: int, ended: str) -> None:
    tokens = [written("a"), written("b")]
    assert agreed(stream(*tokens[:n_left]), stream(*tokens)).ended == ended


def test_without_probabilities_it_says_so() -> None:
    assert compare_streams(stream(), stream(written("a"))) == "no probabilities came from one side"
    assert compare_streams(stream(), stream()) == "no probabilities came from either side"


def test_half_characters_are_told_apart_by_number() -> None:
    def half(number: int) -> WrittenToken:
        chance = TokenChance("\ufffd", -0.1, number)
        return WrittenToken(chance, (chance,))

    assert agreed(stream(half(1)), stream(half(1))).n_same_top == 1
    assert agreed(stream(half(1)), stream(half(2))).n_same_top == 0


FULL_LEFT = {"a": 0.5, "b": 0.2, "c": 0.15, "d": 0.1, "e": 0.05}
FULL_RIGHTS = [
    {"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.05, "e": 0.05},
    {"e": 0.6, "d": 0.2, "c": 0.1, "b": 0.06, "a": 0.04},
    {"b": 0.96, "a": 0.01, "c": 0.01, "d": 0.01, "e": 0.01},
    FULL_LEFT,
]


@pytest.mark.parametrize("full_right", FULL_RIGHTS)
@pytest.mark.parametrize("n_top", [1, 2, 3, 4, 5])
def test_the_divergence_is_never_more_than_the_true_one(full_right: Chances, n_top: int) -> None:
    left, right = top(FULL_LEFT), top(full_right)
    true = sum(p * log(p / FULL_LEFT[text]) for text, p in full_right.items())
    least = least_divergence(left[:n_top], right[:n_top])
    assert least is not None and 0 <= least <= true + 1e-6
    if n_top == 5:
        assert least == pytest.approx(true, abs=1e-6)


def test_lists_that_share_nothing_still_tell_how_far_apart_they_are() -> None:
    left, right = top({"a": 0.9, "b": 0.02}), top({"c": 0.8, "d": 0.1})
    least = least_divergence(left, right)
    assert least is not None and least > 1.0
    assert exp(right[0].logprob) * log(0.8 / 0.02) > least
    assert least_divergence((), right) is None
