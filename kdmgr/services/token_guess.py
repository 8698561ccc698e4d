"""How many tokens a text may be, before anybody has counted them."""

from __future__ import annotations

_BYTES_PER_TOKEN = 4
"""Of English in UTF-8, for the vocabularies of today; other scripts take fewer bytes a token, or more."""
_AROUND = 8
"""Marks of a template around a question."""


def guess_tokens(text: str) -> int:
    """A rough figure, for warnings only."""
    return len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN + _AROUND if text else 0
