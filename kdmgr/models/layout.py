"""Where things stand in a store of Ollama's layout, and which name a place stands for.

manifests/<host>/<namespace>/<model>/<tag>      JSON
blobs/sha256-<hex>                              content by digest
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kdmgr.errors import UsageError
from kdmgr.refs import OllamaRef, parse_ollama_name
from kdmgr.units import printable

DEPTH = 4
# Ollama writes host:port as it is, which Windows has no file names for.
PORT_MARK = "_" if os.name == "nt" else ":"


@dataclass(slots=True)
class Found:
    """The manifests below a folder, and a sentence for each place that cannot be read or names no model."""

    manifests: list[tuple[OllamaRef, Path]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def blob_path(blobs: Path, digest: str) -> Path:
    """`blobs/sha256-<hex>`; `digest` as `normalise_digest` returns it."""
    return blobs / digest.replace(":", "-")


def manifest_path(manifests: Path, ref: OllamaRef, port_mark: str = PORT_MARK) -> Path:
    """Where the manifest of `ref` belongs. `UsageError` for a name whose parts could lead elsewhere."""
    if parse_ollama_name(_full_name(ref.host, ref.namespace, ref.model, ref.tag)) != ref:
        raise UsageError(f"invalid model name: {ref}"[:200])
    return manifests / ref.host.replace(":", port_mark) / ref.namespace / ref.model / ref.tag


def read_name(parts: tuple[str, ...], port_mark: str = PORT_MARK) -> OllamaRef:
    """The name whose manifest stands at these parts of a path; `UsageError` for what is no name."""
    host, namespace, model, tag = parts
    head, mark, port = host.rpartition(port_mark)
    if head and mark and port.isdigit():
        host = f"{head}:{port}"
    return parse_ollama_name(_full_name(host, namespace, model, tag))


def find_manifests(manifests: Path) -> Found:
    """Everything at the depth of manifests. A folder that does not exist holds none."""
    found = Found()
    for parts, path in _walk(manifests, (), found.problems):
        try:
            found.manifests.append((read_name(parts), path))
        except UsageError:
            found.problems.append(f"{printable('/'.join(parts))}: not a model name")
    return found


def _walk(folder: Path, above: tuple[str, ...], problems: list[str]) -> Iterator[tuple[tuple[str, ...], Path]]:
    """The files at full depth, sorted. Hidden entries are temporary files or belong to the system."""
    try:
        with os.scandir(folder) as scan:
            entries = sorted((entry for entry in scan if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        if above or not isinstance(error, FileNotFoundError):
            problems.append(f"{printable('/'.join(above)) or folder}: cannot be read: {error.strerror}")
        return
    for entry in entries:
        parts = (*above, entry.name)
        try:
            is_folder = entry.is_dir()
        except OSError as error:
            problems.append(f"{printable('/'.join(parts))}: cannot be read: {error.strerror}")
            continue
        if is_folder and len(parts) < DEPTH:
            yield from _walk(folder / entry.name, parts, problems)
        elif not is_folder and len(parts) == DEPTH:
            yield parts, folder / entry.name


def _full_name(host: str, namespace: str, model: str, tag: str) -> str:
    return f"{host}/{namespace}/{model}:{tag}"
