"""A registry whose blobs are real: their digests are true, so that they can be pulled."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.support.publisher import Page, Site

PREFIX = "application/vnd.ollama.image."
CONFIG = b'{"model_format":"gguf","model_family":"llama","model_type":"1B","file_type":"Q4_0"}'


class BlobRegistry(Site):
    """Models by name; each blob is redirected from one host name of this machine to the other, as Ollama wants it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    @property
    def host(self) -> str:
        return super().host.replace("127.0.0.1", "localhost")

    @property
    def files_url(self) -> str:
        """Where blobs are redirected to."""
        return f"http://{super().host}"

    def publish(self, name: str, **layers: bytes | Path) -> dict[str, str]:
        """Offer `namespace/model:tag` made of these layers; their digests, and the manifest's, by kind."""
        repo, _, tag = name.rpartition(":")
        digests, entries = {}, []
        for kind, content in layers.items():
            path = self._keep(content)
            digests[kind] = self._offer(repo, path)
            entries.append({"mediaType": PREFIX + kind, "digest": digests[kind], "size": path.stat().st_size})
        digests["config"] = self._offer(repo, self._keep(CONFIG))
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "digest": digests["config"],
                "size": len(CONFIG),
            },
            "layers": entries,
        }
        # Not as kdmgr would write it: only kept byte for byte does it keep its digest.
        body = json.dumps(manifest, indent=3).encode()
        self.pages[f"/v2/{repo}/manifests/{tag}"] = Page(body, headers={"content-type": "application/json"})
        digests["manifest"] = hashlib.sha256(body).hexdigest()
        return digests

    def manifest(self, name: str) -> Page:
        """The manifest of `namespace/model:tag`, to be changed into a lie."""
        repo, _, tag = name.rpartition(":")
        return self.pages[f"/v2/{repo}/manifests/{tag}"]

    def _keep(self, content: bytes | Path) -> Path:
        if isinstance(content, Path):
            return content
        path = self._folder / f"layer-{hashlib.sha256(content).hexdigest()[:16]}"
        path.write_bytes(content)
        return path

    def _offer(self, repo: str, path: Path) -> str:
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        held = f"/held/{digest[7:]}"
        self.files[held] = path
        self.redirect(f"/v2/{repo}/blobs/{digest}", self.files_url + held)
        return digest
