"""One model of a store. Its texts are read when they are asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kdmgr.errors import NotFound, Unreadable
from kdmgr.models.layout import blob_path
from kdmgr.models.manifest import Layer, Manifest
from kdmgr.refs import OllamaRef
from kdmgr.units import format_bytes

ParameterValue = bool | int | float | str | tuple[str, ...]
# Templates, prompts and licences are texts; a "text" larger than this is something else.
MAX_TEXT = 8 << 20


@dataclass(frozen=True, slots=True)
class StoredModel:
    """What a manifest says, and a way to the blobs."""

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
        layer = self.manifest.find("model")
        if layer is None:
            raise NotFound(f"{self.ref} has no weights of its own", hint="it runs on another computer")
        return self._checked(layer)

    @property
    def projector_path(self) -> Path | None:
        """The projector's file, for models that see."""
        layer = self.manifest.find("projector")
        return self._checked(layer) if layer else None

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
        """The `params` layer, without what could be no parameter; empty when there is none."""
        body = self._json(self.manifest.find("params"))
        if not isinstance(body, dict):
            return {}
        values = {name: _read_parameter(value) for name, value in body.items()}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def messages(self) -> tuple[tuple[str, str], ...]:
        """The conversation that every chat begins with: (role, content)."""
        body = self._json(self.manifest.find("messages"))
        entries = body if isinstance(body, list) else []
        return tuple(
            (str(entry.get("role", "")), str(entry.get("content", ""))) for entry in entries if isinstance(entry, dict)
        )

    @property
    def config(self) -> Mapping[str, object]:
        """The configuration blob: model_family, model_type, file_type …"""
        body = self._json(self.manifest.config)
        return body if isinstance(body, dict) else {}

    def _json(self, layer: Layer | None) -> object:
        if layer is None:
            return None
        try:
            return json.loads(self._read(layer))
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"the {_kind(layer)} of {self.ref} is damaged: it is not JSON") from error

    def _read(self, layer: Layer) -> str:
        if layer.size > MAX_TEXT:
            raise Unreadable(f"the {_kind(layer)} of {self.ref} has {format_bytes(layer.size)}: that is no text")
        try:
            # As bytes: reading as text would turn every CRLF into a line feed.
            return self._checked(layer).read_bytes().decode("utf-8", "replace")
        except OSError as error:
            raise Unreadable(f"cannot read the {_kind(layer)} of {self.ref}: {error.strerror}") from error

    def _checked(self, layer: Layer) -> Path:
        path = blob_path(self.blobs, layer.digest)
        hint = f"remove the model and import or pull it again: {self.ref}"
        try:
            size = path.stat().st_size
        except FileNotFoundError as error:
            raise NotFound(f"the {_kind(layer)} blob of {self.ref} is gone: {path.name}", hint=hint) from error
        except OSError as error:
            raise Unreadable(f"cannot read {path}: {error.strerror}") from error
        if size != layer.size or not path.is_file():
            found = f"{path.name} has {format_bytes(size)}, not {format_bytes(layer.size)}"
            raise Unreadable(f"the {_kind(layer)} blob of {self.ref} is damaged: {found}", hint=hint)
        return path


def _kind(layer: Layer) -> str:
    """What to call a layer; its media type may be anybody's text."""
    return layer.kind[:40] if layer.kind.isalnum() else "config" if "container.image" in layer.kind else "layer"


def _read_parameter(value: object) -> ParameterValue | None:
    if isinstance(value, list):
        return tuple(str(entry) for entry in value)
    return value if isinstance(value, bool | int | float | str) else None
