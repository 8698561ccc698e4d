"""kdmgr's own store: the half that writes. One kdmgr at a time; nobody ever sees half a model."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kdmgr.errors import StorageFailed
from kdmgr.files import write_atomically
from kdmgr.models.manifest import LAYER_PREFIX, Layer, Manifest, encode_manifest, hash_bytes
from kdmgr.models.store import ModelStore, StoredModel, blob_path
from kdmgr.refs import OllamaRef
from kdmgr.units import MIB, format_bytes

LOCK_WAIT_S = 10.0
PARTIAL_PREFIX = ".import-"
_SPARE = 64 * MIB


class OwnStore(ModelStore):
    """A store that kdmgr may write to."""

    def __init__(self, root: Path, *, lock_wait_s: float = LOCK_WAIT_S) -> None:
        super().__init__(root)
        self._lock_wait_s = lock_wait_s

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store; `StorageFailed` when another kdmgr does not let go in time."""
        from filelock import FileLock, Timeout

        with _storage_errors(self.root):
            self.blobs.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / ".lock", timeout=self._lock_wait_s)
        try:
            lock.acquire()
        except Timeout as error:
            raise StorageFailed(
                f"another kdmgr is writing to {self.root}", hint="wait until it is done, or stop it"
            ) from error
        except OSError as error:
            raise _explain(error, self.root) from error
        try:
            self._remove_partials()
            with _storage_errors(self.root):
                yield
        finally:
            lock.release()

    def require_space(self, size: int) -> None:
        """`StorageFailed` when `size` bytes do not fit on the disk."""
        free = shutil.disk_usage(self.root).free
        if free < size + _SPARE:
            raise StorageFailed(
                f"{format_bytes(size)} are needed at {self.root}, {format_bytes(free)} are free",
                hint="make room, remove models (kdmgr rm) or set KDMGR_DATA_DIR to a larger disk",
            )

    def open_partial(self) -> tuple[int, Path]:
        """A new file to copy a blob into: its descriptor and its path. Hold the lock."""
        handle, name = tempfile.mkstemp(dir=self.blobs, prefix=PARTIAL_PREFIX)
        return handle, Path(name)

    def adopt(self, partial: Path, digest: str) -> None:
        """Make a complete, synced partial file the blob of `digest`. Hold the lock."""
        partial.chmod(0o644)
        partial.replace(blob_path(self.blobs, digest))
        _sync_folder(self.blobs)

    def add_layer(self, kind: str, content: bytes, *, media_type: str | None = None) -> Layer:
        """Store a small blob. Hold the lock."""
        digest = hash_bytes(content)
        path = blob_path(self.blobs, digest)
        if not path.is_file() or path.stat().st_size != len(content):
            write_atomically(path, content)
        return Layer(media_type or LAYER_PREFIX + kind, digest, len(content))

    def write_manifest(self, ref: OllamaRef, manifest: Manifest) -> StoredModel:
        """Make the model visible, then drop what only its predecessor of the same name needed. Hold the lock."""
        before = self.find(ref)
        path = self.manifest_path(before.ref if before else ref)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, encode_manifest(manifest))
        if before:
            self._drop_unshared(before.manifest.digests)
        return self._read_manifest(path)

    def would_free(self, models: list[StoredModel]) -> int:
        """Bytes that removing `models` gives back: blobs that no other model shares."""
        kept = self._needed_without({model.ref.key for model in models})
        freed = set().union(*(model.manifest.digests for model in models)) - kept
        paths = (blob_path(self.blobs, digest) for digest in freed)
        return sum(path.stat().st_size for path in paths if path.is_file())

    def remove(self, model: StoredModel) -> None:
        """Remove a model: the manifest first, then its unshared blobs. Hold the lock."""
        path = self.manifest_path(model.ref)
        path.unlink(missing_ok=True)
        for folder in list(path.parents)[:3]:
            if folder != self.manifests and not any(folder.iterdir()):
                folder.rmdir()
        self._drop_unshared(model.manifest.digests)

    def _drop_unshared(self, digests: set[str]) -> None:
        for digest in digests - self._needed_without(set()):
            blob_path(self.blobs, digest).unlink(missing_ok=True)

    def _needed_without(self, keys: set[tuple[str, str, str, str]]) -> set[str]:
        """Digests that the other models need. A manifest that cannot be read may need any: nothing is dropped."""
        models, problems = self.models()
        if problems:
            return {f"sha256:{path.name.removeprefix('sha256-')}" for path in self.blobs.iterdir()}
        return set().union(*(model.manifest.digests for model in models if model.ref.key not in keys))

    def _remove_partials(self) -> None:
        """What a killed import left behind. With the lock held, nobody is writing them."""
        for path in self.blobs.glob(f"{PARTIAL_PREFIX}*"):
            path.unlink(missing_ok=True)


@contextmanager
def _storage_errors(root: Path) -> Iterator[None]:
    """Turn what the disk says into one line with a hint."""
    try:
        yield
    except OSError as error:
        if isinstance(error, (FileNotFoundError, InterruptedError)) or error.errno is None:
            raise
        raise _explain(error, root) from error


def _explain(error: OSError, root: Path) -> StorageFailed:
    hint = "set KDMGR_DATA_DIR to a folder with room that can be written"
    return StorageFailed(f"cannot write below {root}: {error.strerror or error}", hint=hint)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can sync a folder."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
