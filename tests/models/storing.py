"""Putting models into a store, and looking at what lies there."""

from __future__ import annotations

from pathlib import Path

from kdmgr.models.ingest import ingest_file
from kdmgr.models.manifest import Manifest
from kdmgr.models.own_store import OwnStore
from kdmgr.models.progress import Progress
from kdmgr.models.store import StoredModel
from kdmgr.refs import parse_ollama_name

MIB = 1 << 20


def ignore(_progress: Progress) -> None: ...


def add_model(store: OwnStore, source: Path, name: str, **texts: str) -> StoredModel:
    """A model of the weights in `source` and one layer for each of `texts`."""
    with store.locked():
        layers = [ingest_file(store, source, "model", ignore)]
        layers += [store.add_layer(kind, text.encode()) for kind, text in texts.items()]
        config = store.add_layer("config", f'{{"name": "{name}"}}'.encode())
        return store.write_manifest(parse_ollama_name(name), Manifest(config, tuple(layers)))


def files_below(folder: Path) -> list[str]:
    """Names of all files; the lock's file stays for ever and counts for nothing."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
