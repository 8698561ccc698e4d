"""What works here: engines, folders, devices; and what to do about those that do not."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.catalog.load import USER_FILE, Catalog
from kdmgr.engines.protocol import EngineStatus
from kdmgr.fit.machine import Machine
from kdmgr.paths import Paths
from kdmgr.units import GIB, format_bytes

if TYPE_CHECKING:
    from kdmgr.services.hosts import ChosenHost

_LOW_DISK = 5 * GIB


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `state` is "ok", "warning" or "missing"."""

    topic: str
    state: str
    detail: str
    hint: str | None = None


def diagnose(
    paths: Paths, machine: Machine, engines: list[EngineStatus], host: ChosenHost, catalog: Catalog
) -> list[Finding]:
    """Everything a newcomer would have to check, in the order to mend it."""
    return [*_engines(engines), _host(host), *_folders(paths), *_students(catalog, paths), *_devices(machine)]


def _students(catalog: Catalog, paths: Paths) -> list[Finding]:
    """The catalog, and what of the user's own entries cannot be used."""
    own = sum(student.from_user for student in catalog)
    theirs = f", {own} of them from {paths.config / USER_FILE}" if own else ""
    hint = "mend the line, or remove it; the others are used"
    broken = [Finding("students", "warning", str(line), hint) for line in catalog.broken]
    return [Finding("students", "ok", f"{len(catalog)} in the catalog{theirs}"), *broken]


def _host(host: ChosenHost) -> Finding:
    """Which server is meant, why, and whether fit can tell what runs there."""
    basis = {"--host": "named by --host", "default": "by default"}.get(host.basis, f"chosen by {host.basis}")
    detail = f"{host.words}: {host.address.url}, {basis}"
    gpus = ", ".join(host.named.gpus) if host.named else ""
    if gpus:
        return Finding("Ollama host", "ok", f"{detail}; fit plans for {gpus}")
    if host.is_remote:
        hint = f'declare them: kdmgr hosts add NAME {host.address.url} --gpu "RTX 3060 12GB" --replace'
        return Finding("Ollama host", "warning", f"{detail}; another computer, whose GPUs are not known", hint)
    return Finding("Ollama host", "ok", detail)


def _engines(engines: list[EngineStatus]) -> list[Finding]:
    found = [
        Finding(f"engine {engine.name}", "ok" if engine.usable else "missing", engine.detail, engine.hint)
        for engine in engines
    ]
    if not any(engine.usable for engine in engines):
        hint = "install the embedded one: python -m pip install 'kdmgr[llamacpp]'"
        found.append(Finding("chat", "missing", "no engine can be used; fit, import and the catalog still work", hint))
    return found


def _folders(paths: Paths) -> list[Finding]:
    ours = (("data", paths.data), ("cache", paths.cache))
    found = [_writable(name, folder) for name, folder in ours]
    settings = paths.config / "config.toml"
    exists = "" if settings.is_file() else " (does not exist; the defaults hold)"
    found.append(Finding("settings", "ok", f"{settings}{exists}"))
    found.append(_ollama_store(paths.ollama_models))
    return found


def _writable(name: str, folder: Path) -> Finding:
    """Whether `folder` could be written to: itself or, while it does not exist, where it would be made."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    topic = f"folder {name}"
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return Finding(topic, "missing", f"{folder} cannot be written", "set KDMGR_DATA_DIR to a folder that can")
    free = shutil.disk_usage(existing).free
    detail = f"{folder}, {format_bytes(free)} free"
    if free < _LOW_DISK:
        return Finding(topic, "warning", detail, "few models are smaller; set KDMGR_DATA_DIR to a larger disk")
    return Finding(topic, "ok", detail)


def _ollama_store(folder: Path) -> Finding:
    topic = "Ollama's store"
    try:
        readable = (folder / "manifests").is_dir() and os.access(folder / "manifests", os.R_OK | os.X_OK)
    except OSError:
        readable = False
    if readable:
        return Finding(topic, "ok", f"{folder} (read; changed through its server)")
    hint = "set OLLAMA_MODELS if Ollama keeps its models elsewhere"
    return Finding(topic, "warning", f"no models can be read at {folder}", hint)


def _devices(machine: Machine) -> list[Finding]:
    found = [
        Finding(
            f"GPU {device.index}", "ok", f"{device.name}, {format_bytes(device.free_bytes)} free, by {device.basis}"
        )
        for device in machine.devices
    ]
    failed = [probe for probe in machine.probes if probe.outcome in ("failed", "timed out")]
    found += [Finding(f"probe {probe.name}", "warning", f"{probe.outcome}: {probe.detail}") for probe in failed]
    if not machine.devices:
        absent = ", ".join(probe.name for probe in machine.probes if probe.outcome == "absent")
        detail = f"none found{f' (looked for {absent})' if absent else ''}; models run on the CPU"
        found.append(Finding("GPU", "warning", detail, 'plan for one with --gpu "RTX 3060 12GB"'))
    memory = f"{format_bytes(machine.host.available_bytes)} available of {format_bytes(machine.host.total_bytes)}"
    found.append(Finding("host memory", "ok", f"{memory} ({machine.host.basis})"))
    return found
