"""Small remote documents as they were last fetched, so that what was asked once is answered offline too."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from kdmgr.errors import ServerUnreachable
from kdmgr.files import write_atomically

MAX_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class Copy:
    """A document. `kept_at` is when it was fetched, where it could not be fetched now; None when it is fresh."""

    body: bytes
    kept_at: datetime | None = None
    reason: str | None = None
    """Why it could not be fetched now."""

    @property
    def note(self) -> str | None:
        """What a reader must be told of an old copy."""
        if self.kept_at is None:
            return None
        return f"offline: answered from the copy of {self.kept_at:%Y-%m-%d} ({self.reason})"


class Copies:
    """Documents below `folder`, by address. A folder that cannot be written only costs the offline answer."""

    def __init__(self, folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._folder = folder
        self._now = now

    def fetch(self, url: str, load: Callable[[], bytes]) -> Copy:
        """What `load` returns, remembered; the last copy of it where nobody can be reached.

        Raises what `load` raises when there is no copy, or when the place answered that there is nothing.
        """
        try:
            body = load()
        except ServerUnreachable as error:
            copy = self._find(url, error.message)
            if copy is None:
                raise
            return copy
        self._keep(url, body)
        return Copy(body)

    def peek(self, url: str) -> Copy | None:
        """The last copy, without asking anybody; None when there is none."""
        return self._find(url, "not asked")

    def _path(self, url: str) -> Path:
        return self._folder / f"{sha256(url.encode()).hexdigest()}.json"

    def _find(self, url: str, reason: str) -> Copy | None:
        try:
            entry = json.loads(self._path(url).read_bytes())
            kept_at = datetime.fromisoformat(entry["fetched_at"])
            return Copy(str(entry["body"]).encode(), kept_at, reason) if entry["url"] == url else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def _keep(self, url: str, body: bytes) -> None:
        entry = {"url": url, "fetched_at": self._now().isoformat(), "body": body.decode("utf-8", "replace")}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path(url), json.dumps(entry).encode())
            self._forget_oldest()
        except OSError:
            return

    def _forget_oldest(self) -> None:
        entries = list(self._folder.iterdir())
        if len(entries) > MAX_ENTRIES:
            entries.sort(key=lambda path: path.stat().st_mtime_ns)
            for path in entries[: len(entries) - MAX_ENTRIES]:
                path.unlink(missing_ok=True)
