"""A model store on disk, in Ollama's layout; this half only reads."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG

from kdmgr.errors import KdmgrError, Unreadable
from kdmgr.models.layout import Found, blob_path, find_manifests, manifest_path
from kdmgr.models.manifest import MAX_MANIFEST, decode_manifest, hash_bytes
from kdmgr.models.stored_model import ParameterValue, StoredModel
from kdmgr.refs import OllamaRef
from kdmgr.units import printable

__all__ = ["ModelStore", "ParameterValue", "StoredModel", "blob_path", "file_size"]


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
        found = self._find_manifests()
        models, problems = [], found.problems
        for ref, path in found.manifests:
            try:
                models.append(self._read_manifest(ref, path))
            except FileNotFoundError:
                continue  # removed while we were looking
            except (KdmgrError, OSError) as error:
                problems.append(f"{printable(str(ref))}: {error}")
        return sorted(models, key=lambda model: model.modified_at, reverse=True), problems

    def find(self, ref: OllamaRef) -> StoredModel | None:
        """The model of this name, compared as Ollama does: without case. `Unreadable` for a broken manifest."""
        located = self._locate(ref)
        if located is None:
            return None
        try:
            return self._read_manifest(*located)
        except FileNotFoundError:
            return None
        except (Unreadable, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise Unreadable(f"{ref} cannot be read: {reason}", hint=f"to be rid of it, delete {located[1]}") from error

    def manifest_path(self, ref: OllamaRef) -> Path:
        """Where the manifest of `ref` belongs, in the spelling of `ref`."""
        return manifest_path(self.manifests, ref)

    def disk_use(self) -> int:
        """Bytes of all blobs, each counted once."""
        return sum(file_size(path) or 0 for path in self._blob_paths())

    def _blob_paths(self) -> list[Path]:
        try:
            return [path for path in self.blobs.iterdir() if path.name.startswith("sha256-")]
        except OSError:
            return []

    def _find_manifests(self) -> Found:
        return find_manifests(self.manifests)

    def _locate(self, ref: OllamaRef) -> tuple[OllamaRef, Path] | None:
        """The name as it is spelled in the store, and its manifest."""
        path = self.manifest_path(ref)
        try:
            if path.is_file():
                return ref, path
        except OSError:
            return None
        return next((entry for entry in self._find_manifests().manifests if entry[0].key == ref.key), None)

    def _read_manifest(self, ref: OllamaRef, path: Path) -> StoredModel:
        if not S_ISREG(path.stat().st_mode):
            raise Unreadable("the manifest is not a file")
        with path.open("rb") as file:
            encoded = file.read(MAX_MANIFEST + 1)
        return StoredModel(
            ref=ref,
            manifest=decode_manifest(encoded),
            digest=hash_bytes(encoded).removeprefix("sha256:"),
            modified_at=_moment(path.stat().st_mtime),
            blobs=self.blobs,
        )


def file_size(path: Path) -> int | None:
    """Bytes of a regular file; None where there is none (any more)."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size if S_ISREG(status.st_mode) else None


def _moment(seconds: float) -> datetime:
    """A file's time; file systems hold years that Python has not."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
