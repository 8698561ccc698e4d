"""Services on folders of their own, machines to plan for, and students to put into the user's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kdmgr.config import Settings
from kdmgr.fit.machine import Backend, Device, Host, Machine
from kdmgr.paths import default_paths
from kdmgr.services.app import Services
from kdmgr.units import GIB


def services_in(folder: Path) -> Services:
    env = {
        "KDMGR_DATA_DIR": str(folder / "data"),
        "KDMGR_CONFIG_DIR": str(folder / "config"),
        "OLLAMA_MODELS": str(folder / "ollama"),
        "OLLAMA_HOST": "127.0.0.1:9",
    }
    return Services(default_paths(env), Settings(), env)


def machine(*gpus_gib: float, host_gib: float | None = 32, bandwidth: int | None = 300_000_000_000) -> Machine:
    devices = tuple(
        Device(
            f"card {index}",
            Backend.CUDA,
            int(size * GIB),
            int(size * GIB),
            "declared",
            index=index,
            bandwidth=bandwidth,
            architecture="Ampere",
            vendor="nvidia",
        )
        for index, size in enumerate(gpus_gib)
    )
    memory = None if host_gib is None else int(host_gib * GIB)
    return Machine(devices, Host("cpu", 8, memory, memory, "declared", 20_000_000_000), declared=True)


def keep_students(folder: Path, *entries: dict[str, Any]) -> None:
    """Write the user's own students."""
    config = folder / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "students.jsonl").write_text("\n".join(json.dumps(entry) for entry in entries))
