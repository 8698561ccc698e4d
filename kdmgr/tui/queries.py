"""What the words of the filter ask for: `teacher:qwen`, `fits`, `installed`, or anything that a row says. Pure."""

from __future__ import annotations

from typing import NamedTuple

from kdmgr.services.facets import FITS, GROUPS

TEXT, INSTALLED = "text", "installed"
_ALIASES = {"license": "licence"}


class Word(NamedTuple):
    """A word of the query: `TEXT`, `FITS`, `INSTALLED` or a group of facets, and what is looked for in it."""

    kind: str
    value: str = ""


def read_words(query: str) -> tuple[Word, ...]:
    """The words of a query; all of them must hold."""
    return tuple(_read_word(word) for word in query.casefold().split())


def narrows(words: tuple[Word, ...], before: tuple[Word, ...]) -> bool:
    """Whether whatever `words` find was found by the words `before` already, as while one types on."""
    return len(words) >= len(before) and all(
        word.kind == old.kind and old.value in word.value for word, old in zip(words, before, strict=False)
    )


def _read_word(word: str) -> Word:
    group, colon, value = word.partition(":")
    group = _ALIASES.get(group, group)
    if colon and group in GROUPS:
        return Word(group, value)
    return Word(word) if word in (FITS, INSTALLED) else Word(TEXT, word)
