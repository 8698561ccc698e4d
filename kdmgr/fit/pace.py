"""Speeds in words, for devices whose figures cannot be trusted: measured against reading.

English is read silently at 238 words a minute (Brysbaert 2019, a mean over 190 studies); at three quarters of
a word per token that is 5.3 tok/s. The ranges are as wide as the spread of such predictions, about a factor
of three.
"""

from __future__ import annotations

READING_TOK_S = 238 / 60 / 0.75
_PACES = (
    (1 / 3, "very slow: far below reading pace"),
    (3 / 4, "slow: below reading pace"),
    (2, "fair: about reading pace"),
    (6, "fast: ahead of reading pace"),
)


def describe_pace(tok_s: float) -> str:
    """One or two words, and after the colon what they mean."""
    return next((words for most, words in _PACES if tok_s < most * READING_TOK_S), "very fast: far ahead of reading")
