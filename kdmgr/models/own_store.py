"""kdmgr's own store: the half that writes. One kdmgr at a time; nobody ever sees half a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from kdmgr.errors import StorageFailed, Unreadable
from kdmgr.files import write_atomically
from kdmgr.models.disk import free_bytes, storage_errors, sync_folder
from kdmgr.models.layout import blob_path
from kdmgr.models.locking import StoreLock
from kdmgr.models.manifest import LAYER_PREFIX, Layer, Manifest, encode_manifest, hash_bytes
from kdmgr.models.partials import Partials
from kdmgr.models.store import ModelStore, StoredModel, file_size
from kdmgr.models.unsettled import Unsettled
from kdmgr.refs import OllamaRef
from kdmgr.units import MIB, format_bytes

LOCK_WAIT_S = 10.0
PARTIAL_PREFIX = ".import-"
_SPARE = 64 * MIB
# As Ollama sets them: a server that runs as another user must be able to read.
_MODE = 0o644


class OwnStore(ModelStore):
    """A store that kdmgr may write to. `free` gives the bytes left on the disk of a folder."""

    def __init__(
        self, root: Path, *, lock_wait_s: float = LOCK_WAIT_S, free: Callable[[Path], int] = free_bytes
    ) -> None:
        super().__init__(root)
        self._lock = StoreLock(root, lock_wait_s)
        self._unsettled = Unsettled(root)
        self.partials = Partials(root)
        self._free = free

    @contextmanager
    def locked(
        self,
        work: str = "writing",
        waiting: Callable[[str], None] = lambda sentence: None,
        wait_s: float | None = None,
    ) -> Iterator[None]:
        """Hold the store while doing `work`; `StorageFailed` when another kdmgr does not let go in time.

        `waiting` is called with a sentence while another one holds it. Whatever ends the block, blobs that it
        added or left without a model are gone afterwards.
        """
        with storage_errors(self.root):
            self.blobs.mkdir(parents=True, exist_ok=True)
        with self._lock.hold(work, waiting, wait_s):
            self._settle()
            try:
                yield
            finally:
                self._settle()

    def require_space(self, size: int) -> None:
        """`StorageFailed` when `size` bytes do not fit on the disk."""
        with storage_errors(self.root):
            free = self._free(self.root)
        if free < size + _SPARE:
            raise StorageFailed(
                f"{format_bytes(size)} are needed at {self.root}, {format_bytes(free)} are free",
                hint="make room, remove models (kdmgr rm) or set KDMGR_DATA_DIR to a larger disk",
            )

    def has_blob(self, digest: str, size: int) -> bool:
        """Whether the blob is there in full length."""
        return file_size(blob_path(self.blobs, digest)) == size

    def has_blob_of(self, size: int) -> bool:
        """Whether any blob has exactly this length: then hashing may save the copy."""
        return any(file_size(path) == size for path in self._blob_paths())

    def open_partial(self) -> tuple[int, Path]:
        """A new file to copy a blob into: its descriptor and its path. Hold the lock."""
        import tempfile

        with storage_errors(self.root):
            handle, name = tempfile.mkstemp(dir=self.blobs, prefix=PARTIAL_PREFIX)
        return handle, Path(name)

    def adopt(self, partial: Path, digest: str) -> None:
        """Make a complete, synced partial file the blob of `digest`. Hold the lock."""
        self._unsettled.add([digest])
        with storage_errors(self.root):
            partial.chmod(_MODE)
            partial.replace(blob_path(self.blobs, digest))
            sync_folder(self.blobs)

    def offer(self, partial: Path, digest: str) -> None:
        """Make a complete, synced file the blob of `digest`, and leave it in its place where the disk has links.

        So a model that cannot be finished (a disk too full for its manifest) costs no download. Hold the lock.
        """
        import os

        self._unsettled.add([digest])
        blob = blob_path(self.blobs, digest)
        with storage_errors(self.root):
            partial.chmod(_MODE)
            blob.unlink(missing_ok=True)
            try:
                os.link(partial, blob)
            except OSError:
                partial.replace(blob)
            sync_folder(self.blobs)

    def add_layer(self, kind: str, content: bytes, *, media_type: str | None = None) -> Layer:
        """Store a small blob. Hold the lock."""
        digest = hash_bytes(content)
        if not self.has_blob(digest, len(content)):
            self._unsettled.add([digest])
            self._publish(blob_path(self.blobs, digest), content)
        return Layer(media_type or LAYER_PREFIX + kind, digest, len(content))

    def write_manifest(self, ref: OllamaRef, manifest: Manifest, encoded: bytes | None = None) -> StoredModel:
        """Make the model visible, in place of one of the same name. Hold the lock.

        `encoded` is the manifest as somebody else wrote it: kept byte for byte, it keeps its digest.
        """
        return self._write_encoded(ref, encoded or encode_manifest(manifest))

    def _write_encoded(self, ref: OllamaRef, encoded: bytes) -> StoredModel:
        spelled = self._spell(ref)
        with suppress(Unreadable):
            before = self.find(spelled)
            self._unsettled.add(before.manifest.digests if before else ())
        path = self.manifest_path(spelled)
        with storage_errors(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._publish(path, encoded)
        return self._read_manifest(spelled, path)

    def copy(self, source: StoredModel, ref: OllamaRef) -> StoredModel:
        """Give a model a second name, in place of one that has it; the blobs are shared. Hold the lock.

        `StorageFailed` when the source has been removed or replaced since it was looked up.
        """
        current = self.find(source.ref)
        if current is None or current.digest != source.digest:
            raise StorageFailed(f"{source.ref} has been replaced meanwhile", hint="see kdmgr list, and try again")
        with storage_errors(self.root):
            encoded = self.manifest_path(current.ref).read_bytes()
        return self._write_encoded(ref, encoded)

    def would_free(self, models: list[StoredModel]) -> int:
        """Bytes that removing `models` gives back: blobs that no other model shares."""
        kept = self._needed_without({model.ref.key for model in models})
        if kept is None:
            return 0
        freed = set().union(*(model.manifest.digests for model in models)) - kept
        return sum(file_size(blob_path(self.blobs, digest)) or 0 for digest in freed)

    def remove(self, model: StoredModel) -> None:
        """Remove a model; its unshared blobs go when the lock is let go. Hold the lock.

        `StorageFailed` when another model has taken its name since it was looked up.
        """
        current = self.find(model.ref)
        if current is None:
            return
        if current.digest != model.digest:
            raise StorageFailed(f"{model.ref} has been replaced meanwhile", hint=f"see kdmgr show {model.ref}")
        path = self.manifest_path(current.ref)
        self._unsettled.add(model.manifest.digests)
        with storage_errors(self.root):
            path.unlink(missing_ok=True)
        self._prune_folders(path)

    def _prune_folders(self, path: Path) -> None:
        """Remove the folders of model, namespace and host, as far as they are empty now."""
        for folder in list(path.parents)[:3]:
            try:
                folder.rmdir()
            except OSError:
                return

    def _spell(self, ref: OllamaRef) -> OllamaRef:
        """`ref` in the spelling that its host, namespace, model and tag have in the store already."""
        for other, _ in self._find_manifests().manifests:
            if other.host.lower() == ref.host.lower():
                ref = replace(ref, host=other.host)
            if other.namespace.lower() == ref.namespace.lower():
                ref = replace(ref, namespace=other.namespace)
            if other.model.lower() == ref.model.lower():
                ref = replace(ref, model=other.model)
            if other.key == ref.key:
                return other
        return ref

    def _publish(self, path: Path, content: bytes) -> None:
        with storage_errors(self.root):
            write_atomically(path, content)
            path.chmod(_MODE)
            sync_folder(path.parent)

    def _settle(self) -> None:
        """Remove what a writer left behind. With the lock held, nobody else is writing."""
        with suppress(OSError):
            for path in (*self.blobs.glob(f"{PARTIAL_PREFIX}*"), *self.blobs.glob(".*.tmp")):
                path.unlink(missing_ok=True)
            for path in self.manifests.glob("*/*/*/.*.tmp"):
                path.unlink(missing_ok=True)
            self._drop_unsettled()

    def _drop_unsettled(self) -> None:
        digests = self._unsettled.read()
        needed = self._needed_without(set()) if digests else set()
        if needed is None:
            return
        for digest in digests - needed:
            blob_path(self.blobs, digest).unlink(missing_ok=True)
        self._unsettled.clear()

    def _needed_without(self, keys: set[tuple[str, str, str, str]]) -> set[str] | None:
        """Digests that the other models need. None: a manifest that cannot be read may need any."""
        models, problems = self.models()
        if problems:
            return None
        return set().union(*(model.manifest.digests for model in models if model.ref.key not in keys))
