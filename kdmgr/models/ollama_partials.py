"""What interrupted pulls have left in the models folder of an Ollama server.

blobs/sha256-<hex>-partial      the blob, with holes
blobs/sha256-<hex>-partial-<N>  JSON of one part: N, Offset, Size, Completed (server/download.go)
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep, time

from kdmgr.errors import StorageFailed
from kdmgr.models.disk import storage_errors
from kdmgr.models.manifest import MAX_LAYER

# A server that still downloads writes to its parts many times a minute.
BUSY_S, WATCH_S = 60.0, 2.0
_NAME = re.compile(r"sha256-([0-9a-f]{64})-partial(?:-\d{1,4})?")
_MAX_PART = 4096


@dataclass(frozen=True, slots=True)
class OllamaPartial:
    """One blob that is not complete. Sizes in bytes."""

    digest: str
    size: int | None
    completed: int | None
    """None where no part says."""
    touched_at: float
    """When a part was written last, in seconds since 1970."""
    files: tuple[Path, ...]


def list_partials(blobs: Path) -> list[OllamaPartial]:
    """The incomplete blobs of a folder, the largest first; none where there is no such folder."""
    groups: dict[str, list[Path]] = {}
    with suppress(OSError):
        for path in sorted(blobs.iterdir()):
            if match := _NAME.fullmatch(path.name):
                groups.setdefault(f"sha256:{match[1]}", []).append(path)
    found = [_read(digest, files) for digest, files in groups.items()]
    return sorted(found, key=lambda partial: partial.completed or 0, reverse=True)


def remove_partial(partial: OllamaPartial, *, watch_s: float = WATCH_S) -> None:
    """Remove its files; `StorageFailed` while a server writes to them, or where they may not be removed.

    Files that were written to just now are watched for `watch_s` seconds first.
    """
    if abs(time() - partial.touched_at) < BUSY_S and _is_written_to(partial.files, watch_s):
        raise StorageFailed(
            f"{partial.digest[:19]} is being written to: a server is pulling it", hint="stop that pull first"
        )
    with storage_errors(partial.files[0].parent):
        for path in partial.files:
            path.unlink(missing_ok=True)


def _is_written_to(files: tuple[Path, ...], watch_s: float) -> bool:
    def times() -> list[int]:
        found = []
        for path in files:
            with suppress(OSError):
                found.append(path.stat().st_mtime_ns)
        return found

    before = times()
    sleep(watch_s)
    return times() != before


def _read(digest: str, files: list[Path]) -> OllamaPartial:
    parts = [part for path in files if (part := _read_part(path)) is not None]
    touched = 0.0
    for path in files:
        with suppress(OSError):
            touched = max(touched, path.stat().st_mtime)
    return OllamaPartial(
        digest=digest,
        size=sum(size for size, _completed in parts) if parts else None,
        completed=sum(completed for _size, completed in parts) if parts else None,
        touched_at=touched,
        files=tuple(files),
    )


def _read_part(path: Path) -> tuple[int, int] | None:
    """Size and completed bytes of a part; None for the data itself, and for what is damaged."""
    if path.name.endswith("-partial"):
        return None
    try:
        with path.open("rb") as file:
            body = json.loads(file.read(_MAX_PART))
        size, completed = int(body["Size"]), int(body["Completed"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return (size, min(completed, size)) if completed >= 0 and 0 <= size < MAX_LAYER else None
