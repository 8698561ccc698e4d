"""`kdmgr fit --history`: what loads took, beside what was planned."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kdmgr.services.load_history import LoadHistory, describe_learning
from kdmgr.units import format_bytes, format_count

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.history.records import LoadRecord, SpeedRecord

_SIZES = ("predicted_host", "predicted_device", "size", "size_vram", "process_host", "process_device")


def print_history(history: LoadHistory, console: Console) -> None:
    """The table, the median and what was learned."""
    for note in history.notes:
        console.note(f"note: {note}")
    if not history.loads:
        console.note("nothing was loaded through Ollama yet: chat with a model, or import one")
        return
    header = ("WHEN", "MODEL", "SERVER", "CONTEXT", "PREDICTED", "ACTUAL", "ERROR", "ON GPU", "PROCESS")
    console.table(header, [_row(load) for load in history.loads], right=(3, 4, 5, 6, 7, 8))
    console.print()
    if history.median_error is not None:
        console.print(f"median error {history.median_error:.1%} over {history.n_compared} loads")
    for sentence in describe_learning(history):
        console.print(sentence)


def history_object(history: LoadHistory) -> dict[str, Any]:
    """The same as plain JSON values."""
    return {
        "schema_version": 1,
        "loads": [_load_object(load) for load in history.loads],
        "median_error": history.median_error,
        "overhead": {
            place: {"size_bytes": learned.size, "basis": learned.basis} if learned else None
            for place, learned in (("host", history.host_overhead), ("device", history.device_overhead))
        },
        "speeds": [_speed_object(speed) for speed in history.speeds],
        "notes": list(history.notes),
    }


def _row(load: LoadRecord) -> tuple[str, ...]:
    when = load.at[:16].replace("T", " ")
    error = "?" if load.error is None else f"{load.error:+.1%}"
    process = [size for size in (load.process_host, load.process_device) if size is not None]
    return (
        when,
        load.model,
        load.engine_version or "?",
        format_count(load.n_ctx),
        format_bytes(load.predicted),
        format_bytes(load.size),
        error,
        format_bytes(load.size_vram),
        format_bytes(sum(process) if process else None),
    )


def _load_object(load: LoadRecord) -> dict[str, Any]:
    body = {f"{key}_bytes" if key in _SIZES else key: value for key, value in asdict(load).items()}
    return {**body, "error": load.error}


def _speed_object(speed: SpeedRecord) -> dict[str, Any]:
    return asdict(speed)
