"""The process in which a server runs a model, and the memory it takes. Only Linux tells of other processes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Runner:
    """A process that was given a model's file. `resident` in bytes, None where the system hides it."""

    pid: int
    resident: int | None


def find_runner(model_path: str, root: Path = Path("/")) -> Runner | None:
    """The one process that has `model_path` among its arguments; None for none, or several."""
    wanted, found = os.fsencode(model_path), []
    try:
        entries = [entry for entry in (root / "proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return None
    for entry in entries:
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
        if wanted in arguments[1:] and _runs_models(arguments):
            found.append(entry)
    return Runner(int(found[0].name), _resident(found[0])) if len(found) == 1 else None


def _runs_models(arguments: list[bytes]) -> bool:
    """`ollama runner … --model FILE` up to 0.24, `llama-server … --model FILE` from 0.30 (llm/server.go)."""
    return arguments[1:2] == [b"runner"] or b"llama-server" in arguments[0]


def _resident(process: Path) -> int | None:
    try:
        lines = (process / "status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    values = [line.split() for line in lines if line.startswith("VmRSS:")]
    return int(values[0][1]) * 1024 if values and len(values[0]) > 1 and values[0][1].isdigit() else None
