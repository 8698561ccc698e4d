"""Characters as people see them: where a text may be cut without cutting one of them in two.

A small part of Unicode's rules (UAX 29): what joins to the character before it, flags, and Korean syllables.
"""

from __future__ import annotations

import unicodedata

_JOINER = "\u200d"
_FLAGS = range(0x1F1E6, 0x1F200)
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_TAGS = range(0xE0020, 0xE0080)
_HANGUL_TAILS = range(0x1160, 0x1200)


def cut_before(text: str, at: int) -> int:
    """The last place up to `at` where a character begins (or the text ends)."""
    at = min(at, len(text))
    while 0 < at < len(text) and not _begins(text, at):
        at -= 1
    return at


def _begins(text: str, at: int) -> bool:
    before, char = text[at - 1], text[at]
    if char.isascii():
        return not (before == "\r" and char == "\n")
    return not (before == _JOINER or _extends(char) or _completes_flag(text, at))


def _extends(char: str) -> bool:
    """Marks, joiners, variation selectors, skin tones, tags, and the later parts of a Korean syllable."""
    code = ord(char)
    return (
        char == _JOINER
        or code in _SKIN_TONES
        or code in _TAGS
        or code in _HANGUL_TAILS
        or unicodedata.category(char) in ("Mn", "Me", "Mc")
    )


def _completes_flag(text: str, at: int) -> bool:
    """A flag is two letters: one that follows an odd number of them completes it."""
    if ord(text[at]) not in _FLAGS:
        return False
    start = at
    while start and ord(text[start - 1]) in _FLAGS:
        start -= 1
    return (at - start) % 2 == 1
