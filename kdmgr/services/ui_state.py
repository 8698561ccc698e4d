"""How the terminal app was left: small facts by the part that they are of, kept from one run to the next.

A file that is damaged, or of a newer kdmgr, counts as none. Two that run at the same time each change only
the parts that were changed in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdmgr.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

Value = str | int | float | bool | None
Part = dict[str, Value]

SCHEMA = 1
FILE_NAME = "ui_state.json"
LOCK_WAIT_S = 2.0
_MOST_BYTES = 1 << 20


class UiState:
    """Parts by name: `students`, `app`, `last_chat` (for the chats: the `id` of the one that was open last)."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._parts: dict[str, Part] | None = None
        self._changed: dict[str, Part] = {}

    def part(self, name: str) -> Part:
        """What is kept of one part; empty for none."""
        if self._parts is None:
            self._parts = self._read()
        return dict(self._parts.get(name, {}))

    def text(self, part: str, key: str, among: tuple[str, ...] | None = None) -> str | None:
        """A text, if it is one (and one of `among`)."""
        value = self.part(part).get(key)
        return value if isinstance(value, str) and (among is None or value in among) else None

    def remember(self, name: str, values: Mapping[str, Value]) -> bool:
        """Keep these values of a part; whether that changes anything. Nothing is written before `flush`."""
        before = self.part(name)
        after = before | dict(values)
        if after == before or self._parts is None:
            return False
        self._parts[name] = after
        self._changed[name] = self._changed.get(name, {}) | dict(values)
        return True

    def flush(self) -> None:
        """Write what has changed. A folder that cannot be written only costs the memory of it."""
        changed, self._changed = self._changed, {}
        if not changed:
            return
        with suppress(OSError), self._locked():
            if (_load(self.path).get("schema_version") or 0) > SCHEMA:
                return
            parts = self._read()
            for name, values in changed.items():
                parts[name] = parts.get(name, {}) | values
            body = {"schema_version": SCHEMA, "parts": parts}
            write_atomically(self.path, json.dumps(body, indent=1, ensure_ascii=False).encode())

    def _read(self) -> dict[str, Part]:
        body = _load(self.path)
        parts = body.get("parts") if body.get("schema_version") == SCHEMA else None
        return {name: _clean(part) for name, part in parts.items()} if isinstance(parts, dict) else {}

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock

        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Its timeout is an OSError: what another holds for so long is left alone.
        with FileLock(self.path.with_suffix(".lock"), timeout=LOCK_WAIT_S):
            yield


def _load(path: Path) -> dict[str, Any]:
    """The object in the file, its version a number; an empty one for whatever else is there."""
    try:
        body = json.loads(path.read_bytes()) if path.stat().st_size <= _MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) and isinstance(body.get("schema_version"), int) else {}


def _clean(part: object) -> Part:
    """The simple values of a part; what else may stand there is not ours."""
    if not isinstance(part, dict):
        return {}
    return {key: value for key, value in part.items() if value is None or isinstance(value, (str, int, float, bool))}
