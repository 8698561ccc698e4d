"""The sentence of a model card that claims distillation, word for word. A claim, and no more than that."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kdmgr.units import printable

MAX_QUOTE = 300
MAX_CARD = 256 << 10
_TRAINED = r"\b(?:fine-?)?(?:tuned|trained)\b"
_TEXTS = r"\b(?:samples|data|outputs?|responses|traces|completions)\b"
_WRITTEN = r"\b(?:generated|produced|written|curated|synthesi[sz]ed)\b"
# From the most telling wording to a mere mention.
_WORDINGS = (
    re.compile(r"\bdistil(?:l?ed|lation|ling)\b[^.]{0,60}?\b(?:from|of|by|using|with)\b", re.IGNORECASE),
    re.compile(r"\b(?:knowledge|logit|sequence|on-policy)[ -](?:level[ -])?distil", re.IGNORECASE),
    re.compile(r"\bteacher\b.{0,200}\bstudent\b|\bstudent\b.{0,200}\bteacher\b", re.IGNORECASE),
    re.compile(rf"{_TRAINED}.{{0,120}}{_TEXTS}.{{0,40}}{_WRITTEN}", re.IGNORECASE),
    re.compile(rf"{_TEXTS}.{{0,40}}{_WRITTEN}.{{0,80}}{_TRAINED}", re.IGNORECASE),
    re.compile(r"\bdistil", re.IGNORECASE),
)
# A licence that allows distilling, and a model said not to be distilled, claim nothing.
_NO_CLAIM = re.compile(
    r"\b(?:permit\w*|allow\w*|may|can be|agreement)\b.{0,200}\bdistil"
    r"|\bdistil\w*\b.{0,80}\b(?:is|are) (?:allowed|permitted)"
    r"|\b(?:not|no|without) (?:\w+ ){0,2}distil",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"(?m)^[ \t]{0,8}(?:#{1,6} |\||!\[|\[!|<!--).*$")
"""Lines that are no sentences: headings, tables, pictures, comments."""
_FRONT = re.compile(r"\A\ufeff?\s{0,20}---\r?\n.{0,65536}?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_CODE = re.compile(r"^[ \t]{0,8}(```|~~~).*?(?:^[ \t]{0,8}\1|\Z)", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"^(?:[-*+]|\d{1,3}[.)]|>) ")
_BLOCK = re.compile(r"\r?\n[ \t]*\r?\n|\r?\n(?=[ \t]{0,8}(?:[-*+] |\d{1,3}[.)] |>|<))")
_SENTENCE = re.compile(r"(?<=[.!?])[)\"'*_\]]{0,3}\s+(?=[A-Z0-9\"'(\[*_])")


@dataclass(frozen=True, slots=True)
class CardClaim:
    """What a card says. `quote` is verbatim but for line breaks and what a terminal could obey."""

    quote: str
    is_cut: bool = False
    """Whether the sentence goes on beyond the quote."""


def find_claim(card: str) -> CardClaim | None:
    """The most telling sentence of a model card (Markdown); None when it speaks of no distillation."""
    best: tuple[int, str, int] | None = None
    for sentence in _split(card[:MAX_CARD]):
        for rank, wording in enumerate(_WORDINGS):
            if best is not None and rank >= best[0]:
                break
            if (found := wording.search(sentence)) and not _NO_CLAIM.search(sentence):
                best = (rank, sentence, found.start())
                break
    return _quote(best[1], best[2]) if best else None


def _split(card: str) -> list[str]:
    """Its sentences; code, headings and tables are left out."""
    text = _CODE.sub("\n\n", _FRONT.sub("", card, count=1))
    sentences: list[str] = []
    for block in _BLOCK.split(_ASIDE.sub("\n\n", text)):
        sentences += _SENTENCE.split(_MARK.sub("", " ".join(block.split())))
    return sentences


def _quote(sentence: str, at: int) -> CardClaim:
    """The sentence, or the part of a long one around the words at `at`."""
    sentence = printable(sentence)
    if len(sentence) <= MAX_QUOTE:
        return CardClaim(sentence)
    start = max(0, min(at - MAX_QUOTE // 3, len(sentence) - MAX_QUOTE))
    part = sentence[start : start + MAX_QUOTE]
    return CardClaim(f"{'…' if start else ''}{part}{'…' if start + MAX_QUOTE < len(sentence) else ''}", True)
