"""All blobs of a model into kdmgr's own store, the manifest last: nobody ever sees half a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from kdmgr.errors import StorageFailed
from kdmgr.models.disk import storage_errors
from kdmgr.models.layout import blob_path
from kdmgr.models.manifest import Layer, Manifest
from kdmgr.models.own_store import OwnStore
from kdmgr.models.progress import Progress, Report
from kdmgr.models.range_request import RemoteFile
from kdmgr.models.stored_model import StoredModel
from kdmgr.models.transfer import TransferOptions, copy_local, fetch_blob
from kdmgr.models.web import Web
from kdmgr.refs import OllamaRef

# Another kdmgr may remove, between download and manifest, what was shared with one of its models.
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class WantedBlob:
    """A blob and where it is published."""

    layer: Layer
    file: RemoteFile
    local: Path | None = None
    """A file of this machine that should have the same content."""


BuildManifest = Callable[[Callable[[Layer], Path]], tuple[Manifest, bytes | None]]
"""Given where each blob is, the manifest, and its bytes where somebody else wrote it. The store is locked."""


class ModelFetcher:
    """Downloads into `store`; several threads may use it."""

    def __init__(self, store: OwnStore, web: Web, options: TransferOptions | None = None) -> None:
        self._store = store
        self._web = web
        self._options = options or TransferOptions()

    def missing(self, layers: Sequence[Layer]) -> int:
        """Bytes that have to come yet: neither in a blob nor in what an interrupted download left."""
        wanted = sum(layer.size for layer in self._wanted(layers))
        return wanted - self.left_over(layers)

    def left_over(self, layers: Sequence[Layer]) -> int:
        """Bytes that an interrupted download left."""
        found = (self._store.partials.find(layer.digest) for layer in self._wanted(layers))
        return sum(info.completed for info in found if info)

    def _wanted(self, layers: Sequence[Layer]) -> list[Layer]:
        return [layer for layer in layers if not self._store.has_blob(layer.digest, layer.size)]

    def require_space(self, layers: Sequence[Layer]) -> None:
        """`StorageFailed` when what is missing does not fit on the disk."""
        with storage_errors(self._store.root):
            self._store.root.mkdir(parents=True, exist_ok=True)
        self._store.require_space(self.missing(layers))

    def fetch(self, ref: OllamaRef, blobs: Sequence[WantedBlob], build: BuildManifest, report: Report) -> StoredModel:
        """Download what is missing, then make the model visible as `ref`.

        `report` is told of every blob by its digest; what it raises ends the work, and keeps what has come. Raises
        as `fetch_blob` does.
        """
        self.require_space([blob.layer for blob in blobs])
        for _ in range(_ROUNDS):
            # Small ones first: what is refused is refused before the gigabytes.
            for blob in sorted(blobs, key=lambda blob: blob.layer.size):
                self._fetch_one(ref, blob, report)
            stored = self._publish(ref, blobs, build, report)
            if stored is not None:
                return stored
        raise StorageFailed(f"blobs of {ref} are removed while it is pulled", hint="is another kdmgr removing models?")

    def _fetch_one(self, ref: OllamaRef, blob: WantedBlob, report: Report) -> None:
        layer = blob.layer

        def wait(sentence: str) -> None:
            info = self._store.partials.find(layer.digest)
            report(Progress(f"waiting: {sentence}", layer.digest, info.completed if info else 0, layer.size))

        if not self._store.has_blob(layer.digest, layer.size):
            with self._store.partials.hold(layer, str(ref), wait) as partial:
                # The one that was waited for may have brought it.
                if not self._store.has_blob(layer.digest, layer.size):
                    if blob.local is not None:
                        copy_local(blob.local, partial, report)
                    fetch_blob(self._web, blob.file, partial, report, self._options)
        report(Progress("complete", layer.digest, layer.size, layer.size))

    def _publish(
        self, ref: OllamaRef, blobs: Sequence[WantedBlob], build: BuildManifest, report: Report
    ) -> StoredModel | None:
        """The model, made visible; None when a blob has gone meanwhile."""
        store = self._store
        with store.locked(f"pulling {ref}", lambda sentence: report(Progress(f"waiting: {sentence}")), inf):
            for layer in {blob.layer.digest: blob.layer for blob in blobs}.values():
                if store.has_blob(layer.digest, layer.size):
                    continue
                data = store.partials.data(layer.digest)
                if not data.exists():
                    return None
                store.offer(data, layer.digest)
            report(Progress("writing manifest"))
            manifest, encoded = build(lambda layer: blob_path(store.blobs, layer.digest))
            stored = store.write_manifest(ref, manifest, encoded)
            for blob in blobs:
                store.partials.drop(blob.layer.digest)
            return stored
