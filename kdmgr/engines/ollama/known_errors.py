"""Errors that a server tells as text, recognised by parts of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kdmgr.errors import KdmgrError


class KnownError(NamedTuple):
    """An error by parts of its text, in lower case, and what to say of it; {name} and {line} are filled in."""

    parts: tuple[str, ...]
    kind: type[KdmgrError]
    message: str
    hint: str

    def make(self, words: dict[str, str]) -> KdmgrError:
        """The error, with `words` in its sentences."""
        return self.kind(self.message.format(**words), hint=self.hint.format(**words))


def recognise(line: str, known: Sequence[KnownError], otherwise: KnownError) -> KnownError:
    """The first of `known` that a part of `line` speaks for."""
    lower = line.lower()
    return next((error for error in known if any(part in lower for part in error.parts)), otherwise)
