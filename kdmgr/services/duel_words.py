"""What a duel came to, in sentences: for the command line and the terminal app alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.services.agreement import Agreement
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.services.difference import Difference
    from kdmgr.services.duel_rounds import Summary

SHARED = "both answered at once: each had less of the machine than it has alone"
_WORD_WIDTH = 24


def describe_difference(difference: Difference) -> str:
    """`word 6: “and” | “place” · 31 characters in common (12%)`."""
    if difference.identical:
        return f"none: the answers are the same, {difference.longer} characters"
    words = f"word {difference.word}: {_quote(difference.left_word)} | {_quote(difference.right_word)}"
    return f"{words} · {difference.shared} characters in common ({difference.share:.0%})"


def describe_agreement(agreement: Agreement | str) -> str:
    """`same likeliest token at 7 of 8 places (88%) until the answers part · KL(B‖A) ≥ 0.12 nats (top 10)`."""
    if isinstance(agreement, str):
        return f"not measured: {agreement}"
    if not agreement.n_places:
        return "not measured: no place to compare"
    same = f"same likeliest token at {agreement.n_same_top} of {agreement.n_places} places ({agreement.share:.0%})"
    how = "of A's answer" if agreement.forced else f"until {agreement.ended}"
    return f"{same} {how}{describe_kl(agreement.kl, agreement.n_top)}"


def describe_kl(kl: float | None, n_top: int) -> str:
    """A lower bound is shown as one, with what it was taken from."""
    return "" if kl is None else f" · KL(B‖A) ≥ {kl:.3f} nats (top {n_top})"


def describe_summary(summary: Summary) -> str:
    """`2 of 5 identical · same likeliest token at 180 of 201 places (90 %)`."""
    parts = [f"{summary.n_identical} of {summary.n_rounds} identical"]
    parts += [f"{summary.n_failed} failed"] if summary.n_failed else []
    if summary.n_places:
        share = f"{summary.n_same_top / summary.n_places:.0%}"
        parts.append(f"same likeliest token at {summary.n_same_top} of {summary.n_places} places ({share})")
    parts += [f"KL(B‖A) ≥ {summary.kl:.3f} nats"] if summary.kl is not None else []
    return " · ".join(parts)


def _quote(word: str) -> str:
    if not word:
        return "the end"
    shown = printable(word)
    return f"“{shown[:_WORD_WIDTH]}…”" if len(shown) > _WORD_WIDTH else f"“{shown}”"
