"""Notes of pulls that have begun and not ended: what they leave behind bears digests, not names."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from kdmgr.files import write_atomically
from kdmgr.models.manifest import hash_bytes
from kdmgr.refs import OllamaRef

MAX_NOTE = 1 << 20


@dataclass(frozen=True, slots=True)
class PullNote:
    """A pull. Sizes in bytes; `blobs` are digests and sizes, none where they were not known."""

    model: str
    server: str
    """Its address; the folder of kdmgr's own store where there is none."""
    blobs: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int | None:
        """Bytes of all blobs."""
        return sum(size for _digest, size in self.blobs) if self.blobs else None


class PullNotes:
    """The notes below `folder`, one for each model and server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, ref: OllamaRef, note: PullNote) -> None:
        """Write the note. Without one (a disk too full), a pull only leaves behind what has no name."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path(ref, note.server), json.dumps({"schema_version": 1, **asdict(note)}).encode())

    def forget(self, ref: OllamaRef, server: str) -> None:
        """Remove the note, if there is one."""
        with suppress(OSError):
            self._path(ref, server).unlink(missing_ok=True)

    def list(self) -> list[PullNote]:
        """All notes that can be read."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
                body = json.loads(path.read_bytes()[:MAX_NOTE])
                blobs = tuple((str(digest), int(size)) for digest, size in body["blobs"])
                found.append(PullNote(str(body["model"])[:500], str(body["server"])[:500], blobs))
        return found

    def _path(self, ref: OllamaRef, server: str) -> Path:
        key = hash_bytes("\n".join((*ref.key, server)).encode()).removeprefix("sha256:")[:16]
        return self._folder / f"{ref.model[:60]}-{key}.json"
