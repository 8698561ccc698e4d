"""The digest of a file that stays where it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kdmgr.errors import Unreadable
from kdmgr.models.blocks import read_ahead
from kdmgr.models.progress import Progress, Report
from kdmgr.models.source_file import FileState, open_source, state_of

HASHING = "hashing"


def hash_file(path: Path, report: Report, *, since: FileState | None = None) -> tuple[str, FileState]:
    """`sha256:<hex>` of the file at `path`, and the state that it had all the while.

    `since` is the state it was judged by. What `report` raises stops the work. `Unreadable` for a file that
    has changed since then, or changes meanwhile.
    """
    with open_source(path) as file:
        state = since or state_of(file)
        sha256, completed = hashlib.sha256(), 0
        for block in read_ahead(file, state.size):
            sha256.update(block)
            completed += len(block)
            report(Progress(HASHING, None, completed, state.size))
        if state_of(file) != state or completed != state.size:
            raise changed(path)
    return f"sha256:{sha256.hexdigest()}", state


def changed(path: Path) -> Unreadable:
    """The failure of a file that somebody else writes to."""
    return Unreadable(f"{path} changed while it was read", hint="import it again when it is complete")
