"""Manifests: what a model is made of, as Ollama writes it to disk.

Format: Docker's manifest schema 2 with layers of Ollama's media types (ollama, manifest/ and server/).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from kdmgr.errors import Unreadable

MEDIA_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_PREFIX = "application/vnd.ollama.image."
# A manifest of a model with one layer per tensor has about 200 bytes for each.
MAX_MANIFEST = 4 << 20
MAX_LAYER = 1 << 50
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
        kind = self.media_type.removeprefix(LAYER_PREFIX)
        # The name of templates before 2024; Ollama still reads it.
        return "template" if kind == "prompt" else kind


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
        raise Unreadable(f"not a sha256 digest: {text!r:.100}")
    return f"sha256:{match[1].lower()}"


def hash_bytes(content: bytes) -> str:
    """`sha256:<hex>` of `content`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def decode_manifest(encoded: bytes) -> Manifest:
    """Read a manifest; `Unreadable` when it is not one."""
    if len(encoded) > MAX_MANIFEST:
        raise Unreadable("the manifest is larger than any real one")
    try:
        body = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        raise Unreadable("the manifest is damaged: it is not JSON") from error
    if not isinstance(body, dict):
        raise Unreadable("the manifest is damaged: it is no JSON object")
    # Go writes an empty list as null.
    layers = body.get("layers") or []
    if not isinstance(layers, list):
        raise Unreadable("the manifest is damaged: its layers are no list")
    return Manifest(_decode_layer(body.get("config")), tuple(_decode_layer(layer) for layer in layers))


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes that Ollama would write."""
    from kdmgr.models.go_json import encode_json

    return encode_json(
        {
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPE,
            "config": _encode_layer(manifest.config),
            "layers": [_encode_layer(layer) for layer in manifest.layers],
        }
    )


def _decode_layer(body: object) -> Layer:
    if not isinstance(body, Mapping):
        raise Unreadable("the manifest is damaged: a layer or the config is missing")
    media_type, size = body.get("mediaType"), body.get("size")
    if not isinstance(media_type, str):
        raise Unreadable("the manifest is damaged: a layer has no media type")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < MAX_LAYER:
        raise Unreadable(f"the manifest is damaged: a layer's size is {size!r:.40}")
    return Layer(media_type, normalise_digest(body.get("digest")), size)


def _encode_layer(layer: Layer) -> dict[str, object]:
    return {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
