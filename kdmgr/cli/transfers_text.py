"""What was pulled and imported, for people and for scripts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from kdmgr.units import format_bytes, format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdmgr.cli.console import Console
    from kdmgr.services.transfer_history import HistoryEntry

SCHEMA_VERSION = 1
_HEADER = ("WHEN", "WHAT", "NAME", "STATE", "SIZE", "TOOK", "RECEIPT", "TO")


def print_history(entries: Sequence[HistoryEntry], console: Console) -> None:
    """One line for each, and below a failed one why."""
    console.table(_HEADER, (_row(entry) for entry in entries), right=(4, 5))
    for entry in entries:
        if entry.past.error:
            console.note(f"{entry.past.name}: {entry.past.error}")


def history_object(entries: Sequence[HistoryEntry]) -> dict[str, Any]:
    """The same as plain JSON values."""
    return {"schema_version": SCHEMA_VERSION, "transfers": [_object(entry) for entry in entries]}


def _row(entry: HistoryEntry) -> tuple[str, ...]:
    past = entry.past
    return (
        f"{datetime.fromisoformat(past.at).astimezone():%Y-%m-%d %H:%M}",
        past.kind,
        past.name,
        past.phase,
        format_bytes(past.total if past.total is not None else past.completed),
        format_duration(past.seconds),
        "yes" if entry.receipt else "no",
        "kdmgr" if past.engine == "llamacpp" else past.where,
    )


def _object(entry: HistoryEntry) -> dict[str, Any]:
    from kdmgr.services.receipts import receipt_object

    past = entry.past
    return {
        "ended_at": past.at,
        "kind": past.kind,
        "name": past.name,
        "engine": past.engine,
        "where": past.where,
        "phase": past.phase,
        "completed_bytes": past.completed,
        "total_bytes": past.total,
        "took_s": past.seconds,
        "error": past.error,
        "receipt": receipt_object(entry.receipt) if entry.receipt else None,
    }
