"""Transfers that have ended, one JSON object a line: the newest few hundred are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kdmgr.files import write_atomically
from kdmgr.services.transfer_state import Phase, TransferState

KEPT = 200
_MAX_BYTES = 512 << 10


@dataclass(frozen=True, slots=True)
class PastTransfer:
    """One pull or import that has ended. Bytes and seconds; None is unknown."""

    at: str
    """When it ended: UTC, ISO 8601."""
    kind: str
    name: str
    engine: str
    where: str
    phase: str
    completed: int
    total: int | None
    seconds: float
    error: str | None = None


class TransferLog:
    """The file at `path`. What cannot be written or read is left out: it is only a memory."""

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now

    def note(self, state: TransferState) -> None:
        """Write down how a transfer has ended."""
        past = PastTransfer(
            at=self._now().isoformat(timespec="seconds"),
            kind=state.kind,
            name=state.name,
            engine=state.engine,
            where=state.where,
            phase=state.phase.value,
            completed=state.completed,
            total=state.total,
            seconds=round(state.seconds, 1),
            error=state.error.message if state.error else None,
        )
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(past)) + "\n")
            if self._path.stat().st_size > _MAX_BYTES:
                self._write(self.newest())

    def newest(self) -> list[PastTransfer]:
        """The newest first."""
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        found = (_decode(line) for line in reversed(lines))
        return [past for past in found if past is not None][:KEPT]

    def forget(self, past: PastTransfer) -> None:
        """Leave one out from now on."""
        self._write([other for other in self.newest() if other != past])

    def clear(self) -> None:
        """Forget all."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _write(self, newest_first: list[PastTransfer]) -> None:
        lines = [json.dumps(asdict(past)) + "\n" for past in reversed(newest_first)]
        with suppress(OSError):
            write_atomically(self._path, "".join(lines).encode())


def _decode(line: str) -> PastTransfer | None:
    """None for a line that is no transfer: half written, or of another kdmgr."""
    try:
        body: dict[str, Any] = json.loads(line)
        total, error = body.get("total"), body.get("error")
        return PastTransfer(
            at=datetime.fromisoformat(body["at"]).isoformat(),
            kind=str(body["kind"]),
            name=str(body["name"]),
            engine=str(body["engine"]),
            where=str(body["where"]),
            phase=Phase(body["phase"]).value,
            completed=int(body["completed"]),
            total=None if total is None else int(total),
            seconds=float(body["seconds"]),
            error=None if error is None else str(error),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None
