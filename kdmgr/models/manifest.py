"""Manifests: what a model is made of, as Ollama writes it to disk.

Format: Docker's manifest schema 2 with layers of Ollama's media types (ollama, manifest/ and server/).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from kdmgr.errors import Unreadable

MEDIA_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_PREFIX = "application/vnd.ollama.image."
MAX_MANIFEST = 4 << 20
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Layer:
    """A blob and what it is for. `digest` is `sha256:<hex>`, `size` in bytes."""

    media_type: str
    digest: str
    size: int

    @property
    def kind(self) -> str:
        """`model`, `template`, `system`, `params`, `license`, `projector`, `adapter`, `messages` …"""
        return self.media_type.removeprefix(LAYER_PREFIX)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The layers of one model, and its configuration."""

    config: Layer
    layers: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """Bytes of all blobs, shared ones included, as Ollama lists it."""
        return self.config.size + sum(layer.size for layer in self.layers)

    @property
    def digests(self) -> set[str]:
        """All blobs that the model needs."""
        return {self.config.digest, *(layer.digest for layer in self.layers)}

    def find(self, kind: str) -> Layer | None:
        """The last layer of `kind` (the one Ollama uses); None when there is none."""
        return next((layer for layer in reversed(self.layers) if layer.kind == kind), None)


def normalise_digest(text: object) -> str:
    """`sha256:<hex>` in lower case; `Unreadable` for anything else."""
    match = _DIGEST.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise Unreadable(f"not a sha256 digest: {text!r}"[:120])
    return f"sha256:{match[1].lower()}"


def decode_manifest(encoded: bytes) -> Manifest:
    """Read a manifest; `Unreadable` when it is not one."""
    if len(encoded) > MAX_MANIFEST:
        raise Unreadable("the manifest is larger than any real one")
    try:
        body = json.loads(encoded)
        layers = body.get("layers") or []
        return Manifest(_decode_layer(body["config"]), tuple(_decode_layer(layer) for layer in layers))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable(f"the manifest is damaged: {type(error).__name__}") from error


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes that Ollama would write."""
    body = {
        "schemaVersion": 2,
        "mediaType": MEDIA_TYPE,
        "config": _encode_layer(manifest.config),
        "layers": [_encode_layer(layer) for layer in manifest.layers],
    }
    return json.dumps(body, separators=(",", ":")).encode()


def encode_config(*, family: str, parameter_size: str, quant: str, digests: list[str]) -> bytes:
    """The configuration blob of a GGUF model."""
    body = {
        "model_format": "gguf",
        "model_family": family,
        "model_families": [family],
        "model_type": parameter_size,
        "file_type": quant,
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": digests},
    }
    return json.dumps(body, separators=(",", ":")).encode()


def hash_bytes(content: bytes) -> str:
    """`sha256:<hex>` of `content`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _decode_layer(body: Any) -> Layer:
    size = body["size"]
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 50:
        raise TypeError("size")
    return Layer(str(body["mediaType"]), normalise_digest(body["digest"]), size)


def _encode_layer(layer: Layer) -> dict[str, object]:
    return {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
