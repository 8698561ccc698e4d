"""Transfers that have ended, one JSON object a line: the newest few hundred are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from kdmgr.errors import Interrupted, KdmgrError
from kdmgr.files import write_atomically
from kdmgr.services.transfer_state import Phase, TransferState

if TYPE_CHECKING:
    from kdmgr.services.import_transfer import ImportTransfer

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
    completed: int | None
    total: int | None
    seconds: float | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The user wants to see nothing more of what ended until `at`."""

    name: str | None
    """Of one model; None for all."""
    at: str


class TransferLog:
    """The file at `path`. What cannot be written or read is left out: it is only a memory."""

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now

    def note(self, state: TransferState) -> None:
        """Write down how a transfer has ended."""
        self.add(
            PastTransfer(
                at=self.stamp(),
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
        )

    def add(self, past: PastTransfer) -> None:
        """Write down what has ended."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(past)) + "\n")
            if self._path.stat().st_size > _MAX_BYTES:
                self._write(self.newest(), self.forgotten())

    def stamp(self) -> str:
        """The time now, as ends are written down."""
        return self._now().isoformat(timespec="seconds")

    def newest(self) -> list[PastTransfer]:
        """The newest first."""
        found = (_decode(line) for line in reversed(self._lines()))
        return [past for past in found if past is not None][:KEPT]

    def forgotten(self) -> list[Forgotten]:
        """What is not to be listed though it is known from elsewhere; the newest first."""
        found = (_decode_forgotten(line) for line in reversed(self._lines()))
        return [mark for mark in found if mark is not None][:KEPT]

    def forget(self, past: PastTransfer) -> None:
        """Leave one out from now on."""
        rest = [other for other in self.newest() if other != past]
        self._write(rest, [Forgotten(past.name, past.at), *self.forgotten()])

    def clear(self) -> None:
        """Forget all."""
        self._write([], [Forgotten(None, self.stamp())])

    def _lines(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []

    def _write(self, newest_first: Iterable[PastTransfer], forgotten: Iterable[Forgotten]) -> None:
        marks = [{"forgotten": mark.name, "at": mark.at} for mark in list(forgotten)[:KEPT]]
        objects = [*reversed(marks), *reversed([asdict(past) for past in newest_first])]
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, "".join(json.dumps(each) + "\n" for each in objects).encode())


@contextmanager
def written_down(log: TransferLog, transfer: ImportTransfer) -> Iterator[None]:
    """Write down how an import that no queue runs has ended."""
    began, phase, sentence = monotonic(), Phase.CANCELLED, None
    try:
        yield
        phase = Phase.DONE
    except Interrupted:
        raise
    except Exception as error:
        phase, sentence = Phase.FAILED, error.message if isinstance(error, KdmgrError) else None
        raise
    finally:
        total = transfer.total
        done = total if phase is Phase.DONE else None
        seconds = round(monotonic() - began, 1)
        to = transfer.engine, transfer.where
        log.add(
            PastTransfer(log.stamp(), transfer.kind, transfer.name, *to, phase.value, done, total, seconds, sentence)
        )


def _decode(line: str) -> PastTransfer | None:
    """None for a line that is no transfer: half written, or of another kdmgr."""
    try:
        body: dict[str, Any] = json.loads(line)
        error = body.get("error")
        return PastTransfer(
            at=_read_time(body["at"]),
            kind=str(body["kind"]),
            name=str(body["name"]),
            engine=str(body["engine"]),
            where=str(body["where"]),
            phase=Phase(body["phase"]).value,
            completed=_read_count(body["completed"]),
            total=_read_count(body.get("total")),
            seconds=None if body["seconds"] is None else float(body["seconds"]),
            error=None if error is None else str(error),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _decode_forgotten(line: str) -> Forgotten | None:
    try:
        body: dict[str, Any] = json.loads(line)
        name = body["forgotten"]
        return Forgotten(None if name is None else str(name), _read_time(body["at"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _read_time(text: str) -> str:
    """Raises `ValueError` for what is no time, and for one that no other can be compared with."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time of no zone")
    return time.isoformat()


def _read_count(value: Any) -> int | None:
    return None if value is None else int(value)
