"""How far two models agree on what comes next, from the probabilities that their engines told. Pure.

After the first different token the two have read different texts: what they would write next says nothing of
how they agree. So only the places up to there are compared, unless one was made to read the other's answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

from kdmgr.engines.protocol import TokenChance, WrittenToken
from kdmgr.services.difference import count_shared

_LEAST = 1e-9
"""No probability is taken for smaller: rounding must not make a divergence of nothing."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two models at the same places of the same text."""

    n_places: int
    n_same_top: int
    """Places where both find the same token the likeliest."""
    kl: float | None
    """Divergence of the left one's probabilities from the right one's, KL(right ‖ left), in nats: the mean over
    the places. No more than the true one, as only the likeliest tokens are known. None without such a place."""
    n_top: int
    """Tokens that each listed for a place, at most."""
    ended: str
    """Why it goes no further."""
    forced: bool = False
    """Whether the right one was made to read the left one's answer, instead of its own."""

    @property
    def share(self) -> float | None:
        """Places with the same likeliest token, of all; None without any."""
        return self.n_same_top / self.n_places if self.n_places else None


@dataclass(frozen=True, slots=True)
class TokenStream:
    """The tokens of one answer, and where in its text each ends."""

    tokens: Sequence[WrittenToken]
    ends: Sequence[int]
    text: str


def compare_streams(left: TokenStream, right: TokenStream) -> Agreement | str:
    """The agreement up to where the answers part, or why there is none."""
    if not left.tokens or not right.tokens:
        which = "either side" if not left.tokens and not right.tokens else "one side"
        return f"no probabilities came from {which}"
    places, ended = _common_places(left, right)
    if not places:
        return "their tokens differ from the first on, though not their texts: they have different vocabularies"
    return measure(places, ended)


def measure(places: Sequence[tuple[WrittenToken, WrittenToken]], ended: str, *, forced: bool = False) -> Agreement:
    """The agreement over pairs of tokens for the same places."""
    same = sum(bool(a.top and b.top) and is_same(a.top[0], b.top[0]) for a, b in places)
    known = [kl for a, b in places if (kl := least_divergence(a.top, b.top)) is not None]
    n_top = max((len(token.top) for pair in places for token in pair), default=0)
    return Agreement(len(places), same, sum(known) / len(known) if known else None, n_top, ended, forced)


def least_divergence(left: Sequence[TokenChance], right: Sequence[TokenChance]) -> float | None:
    """KL(right ‖ left) in nats that there is at the least, whatever stands below the two lists; None without both.

    Over the tokens that both list, those that only the right one lists, and all others: joining outcomes never
    raises the divergence. Of what the left one does not list, no token is likelier than the last that it lists.
    """
    if not left or not right:
        return None
    shared = [(exp(b.logprob), exp(a.logprob)) for b in right if (a := _find(b, left)) is not None]
    only = [exp(b.logprob) for b in right if _find(b, left) is None]
    others = sum(exp(a.logprob) for a in left if _find(a, right) is None)
    p_only, p_rest = sum(only), max(1 - sum(p for p, _ in shared) - sum(only), 0.0)
    room = max(1 - sum(q for _, q in shared), _LEAST)
    highest = min(len(only) * exp(left[-1].logprob), max(room - others, 0.0))
    nearest = room * p_only / (p_only + p_rest) if p_only + p_rest else 0.0
    q_only = max(min(highest, nearest), 0.0)
    terms = [*shared, (p_only, q_only), (p_rest, room - q_only)]
    return max(sum(p * log(p / max(q, _LEAST)) for p, q in terms if p > 0), 0.0)


def is_same(left: TokenChance, right: TokenChance) -> bool:
    """Whether two tokens stand for the same text; half characters only with the same number."""
    if "\ufffd" in left.text and left.number is not None and right.number is not None:
        return left.number == right.number
    return left.text == right.text


def _find(wanted: TokenChance, among: Sequence[TokenChance]) -> TokenChance | None:
    return next((chance for chance in among if is_same(wanted, chance)), None)


def _common_places(left: TokenStream, right: TokenStream) -> tuple[list[tuple[WrittenToken, WrittenToken]], str]:
    """Pairs of tokens that follow the same text, the first different ones included; and why there are no more."""
    places: list[tuple[WrittenToken, WrittenToken]] = []
    for at, (a, b) in enumerate(zip(left.tokens, right.tokens, strict=False)):
        if not is_same(a.chosen, b.chosen):
            if _parts_here(left, right, at):
                return [*places, (a, b)], "the answers part"
            return places, "they cut the same text into different tokens"
        places.append((a, b))
    return places, "both answers end" if len(left.tokens) == len(right.tokens) else "one answer ends"


def _parts_here(left: TokenStream, right: TokenStream, at: int) -> bool:
    """Whether the texts differ within the tokens numbered `at`, and not only the tokens."""
    start = left.ends[at - 1] if at else 0
    a, b = left.tokens[at].chosen, right.tokens[at].chosen
    if "\ufffd" in a.text + b.text:
        # Half characters look alike: only their numbers tell them apart.
        return a.number is not None and b.number is not None
    size = max(len(a.text), len(b.text))
    return count_shared(left.text, right.text) < start + size
