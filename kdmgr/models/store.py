"""A model store on disk, in Ollama's layout; this half only reads.

manifests/<host>/<namespace>/<model>/<tag>      JSON
blobs/sha256-<hex>                              content by digest
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kdmgr.errors import KdmgrError, NotFound, Unreadable
from kdmgr.models.manifest import MAX_MANIFEST, Layer, Manifest, decode_manifest, hash_bytes
from kdmgr.refs import OllamaRef, parse_ollama_name
from kdmgr.units import format_bytes

ParameterValue = bool | int | float | str | tuple[str, ...]
# Templates, prompts and licences are texts; a "text" larger than this is something else.
MAX_TEXT = 8 << 20


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One installed model. Its texts are read when they are asked for."""

    ref: OllamaRef
    manifest: Manifest
    digest: str
    """sha256 of the manifest file, in hex: what Ollama lists as the model's ID."""
    modified_at: datetime
    blobs: Path

    @property
    def size(self) -> int:
        """Bytes of all its blobs."""
        return self.manifest.size

    @property
    def model_digest(self) -> str | None:
        """Digest of the weights; None for a model that runs elsewhere."""
        layer = self.manifest.find("model")
        return layer.digest if layer else None

    @property
    def model_path(self) -> Path:
        """The GGUF file. `NotFound` when the blob is gone, `Unreadable` when it is cut."""
        return self._path("model")

    @property
    def projector_path(self) -> Path | None:
        """The projector's file, for models that see."""
        return self._path("projector") if self.manifest.find("projector") else None

    def text(self, kind: str) -> str | None:
        """The text of a `template`, `system` … layer; None when the model has none."""
        layer = self.manifest.find(kind)
        return self._read(layer) if layer else None

    @property
    def licenses(self) -> tuple[str, ...]:
        """All licence texts."""
        return tuple(self._read(layer) for layer in self.manifest.layers if layer.kind == "license")

    @property
    def parameters(self) -> dict[str, ParameterValue]:
        """The `params` layer; empty when there is none."""
        body = self._json("params")
        if not isinstance(body, dict):
            return {}
        return {str(key): tuple(map(str, value)) if isinstance(value, list) else value for key, value in body.items()}

    @property
    def messages(self) -> tuple[tuple[str, str], ...]:
        """The conversation that every chat begins with: (role, content)."""
        body = self._json("messages")
        entries = body if isinstance(body, list) else []
        return tuple(
            (str(entry.get("role", "")), str(entry.get("content", ""))) for entry in entries if isinstance(entry, dict)
        )

    @property
    def config(self) -> Mapping[str, object]:
        """The configuration blob: model_family, model_type, file_type …"""
        try:
            body = json.loads(self._read(self.manifest.config))
        except ValueError as error:
            raise Unreadable(f"the configuration of {self.ref} is damaged") from error
        return body if isinstance(body, dict) else {}

    def _json(self, kind: str) -> object:
        text = self.text(kind)
        try:
            return None if text is None else json.loads(text)
        except ValueError as error:
            raise Unreadable(f"the {kind} layer of {self.ref} is damaged") from error

    def _read(self, layer: Layer) -> str:
        if layer.size > MAX_TEXT:
            raise Unreadable(f"the {layer.kind} layer of {self.ref} has {format_bytes(layer.size)}")
        return self._checked(layer).read_text(encoding="utf-8", errors="replace")

    def _path(self, kind: str) -> Path:
        layer = self.manifest.find(kind)
        if layer is None:
            raise NotFound(f"{self.ref} has no {kind} of its own", hint="it runs on another computer")
        return self._checked(layer)

    def _checked(self, layer: Layer) -> Path:
        path = blob_path(self.blobs, layer.digest)
        hint = f"remove the model and import or pull it again: {self.ref}"
        try:
            size = path.stat().st_size
        except OSError as error:
            raise NotFound(f"the {layer.kind} blob of {self.ref} is gone: {path.name}", hint=hint) from error
        if size != layer.size:
            found = f"{format_bytes(size)} instead of {format_bytes(layer.size)}"
            raise Unreadable(f"the {layer.kind} blob of {self.ref} is damaged: {found}", hint=hint)
        return path


class ModelStore:
    """The models below `root`. A folder that does not exist is an empty store."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def manifests(self) -> Path:
        """Where manifests are."""
        return self.root / "manifests"

    @property
    def blobs(self) -> Path:
        """Where blobs are."""
        return self.root / "blobs"

    def models(self) -> tuple[list[StoredModel], list[str]]:
        """All models, newest first, and a sentence for each manifest that cannot be read."""
        found: list[StoredModel] = []
        problems: list[str] = []
        for path in self._manifest_paths():
            try:
                found.append(self._read_manifest(path))
            except (KdmgrError, OSError) as error:
                problems.append(f"{path.relative_to(self.manifests)}: {error}")
        return sorted(found, key=lambda model: model.modified_at, reverse=True), problems

    def find(self, ref: OllamaRef) -> StoredModel | None:
        """The model of this name, compared as Ollama does: without case."""
        path = self.manifest_path(ref)
        if path.is_file():
            return self._read_manifest(path)
        for other in self._manifest_paths():
            if self._name(other).key == ref.key:
                return self._read_manifest(other)
        return None

    def manifest_path(self, ref: OllamaRef) -> Path:
        """Where the manifest of `ref` belongs. A valid name has no part that could leave the folder."""
        return self.manifests / ref.host.replace(":", "_") / ref.namespace / ref.model / ref.tag

    def disk_use(self) -> int:
        """Bytes of all blobs, each counted once."""
        try:
            return sum(path.stat().st_size for path in self.blobs.iterdir() if path.name.startswith("sha256-"))
        except OSError:
            return 0

    def _manifest_paths(self) -> Iterator[Path]:
        try:
            paths = sorted(self.manifests.glob("*/*/*/*"))
        except OSError:
            return
        for path in paths:
            if path.is_file() and not path.name.startswith("."):
                try:
                    self._name(path)
                except KdmgrError:
                    continue
                yield path

    def _name(self, path: Path) -> OllamaRef:
        host, namespace, model, tag = path.relative_to(self.manifests).parts
        # A colon cannot stand in a file name everywhere: host:port is written host_port where it cannot.
        head, _, port = host.rpartition("_")
        host = f"{head}:{port}" if head and port.isdigit() else host
        return parse_ollama_name(f"{host}/{namespace}/{model}:{tag}")

    def _read_manifest(self, path: Path) -> StoredModel:
        status = path.stat()
        if status.st_size > MAX_MANIFEST:
            raise Unreadable("the manifest is larger than any real one")
        encoded = path.read_bytes()
        return StoredModel(
            ref=self._name(path),
            manifest=decode_manifest(encoded),
            digest=hash_bytes(encoded).removeprefix("sha256:"),
            modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
            blobs=self.blobs,
        )


def blob_path(blobs: Path, digest: str) -> Path:
    """`blobs/sha256-<hex>`."""
    return blobs / digest.replace(":", "-")
