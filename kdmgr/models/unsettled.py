"""A journal of blobs that may be left without a model, so that none ever stays behind for good.

Before a blob is added, and before a manifest that needs it goes, its digest is written here. Whoever holds
the store's lock next (or the writer itself, at its end) removes those that no manifest needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from kdmgr.errors import Unreadable
from kdmgr.models.manifest import normalise_digest

JOURNAL = ".unsettled"


class Unsettled:
    """The journal below `root`: one digest a line, only appended to. Hold the store's lock."""

    def __init__(self, root: Path) -> None:
        self._path = root / JOURNAL

    def add(self, digests: Iterable[str]) -> None:
        """Note `digests`. A disk too full for the note must not keep anybody from removing models."""
        with suppress(OSError), self._path.open("ab", buffering=0) as file:
            file.write("".join(f"{digest}\n" for digest in digests).encode())
            os.fsync(file.fileno())

    def read(self) -> set[str]:
        """The digests noted. A line that was cut by a crash is of no blob."""
        digests: set[str] = set()
        try:
            lines = self._path.read_text(encoding="ascii", errors="replace").split("\n")
        except OSError:
            return digests
        for line in lines:
            with suppress(Unreadable):
                digests.add(normalise_digest(line))
        return digests

    def clear(self) -> None:
        """Forget them all."""
        self._path.unlink(missing_ok=True)
