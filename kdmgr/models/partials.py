"""Downloads that are not complete: what has come, a record of it, and a lock, in one folder for each blob.

partial/<hex>/data          the blob, with holes where nothing has come yet
partial/<hex>/record.json   which of its bytes are on the disk, and for which model they were asked
partial/<hex>/.lock         held by the one kdmgr that downloads it
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path

from kdmgr.errors import StorageFailed, Unreadable
from kdmgr.files import write_atomically
from kdmgr.models.disk import storage_errors
from kdmgr.models.locking import StoreLock
from kdmgr.models.manifest import MAX_LAYER, Layer, normalise_digest
from kdmgr.models.spans import Span, Spans

FOLDER = "partial"
MAX_RECORD = 1 << 20
_NOW_S = 0.0


@dataclass(frozen=True, slots=True)
class PartialInfo:
    """What a record says. Sizes in bytes."""

    digest: str
    size: int
    completed: int
    model: str
    """For which model it was asked last; "" where the record is damaged."""


class Partial:
    """One blob's folder, whose lock is held."""

    def __init__(self, folder: Path, layer: Layer, model: str) -> None:
        self.layer = layer
        self.data = folder / "data"
        self._record = folder / "record.json"
        self._model = model

    def read(self) -> Spans:
        """What is there; nothing where the record is missing, damaged or of another length."""
        try:
            length = self.data.stat().st_size
            spans = _decode(self._record, self.layer.size)[1]
        except (OSError, Unreadable):
            return Spans(self.layer.size)
        return Spans(self.layer.size, ((start, min(end, length)) for start, end in spans))

    def write(self, there: Iterable[Span]) -> None:
        """Record what is on the disk."""
        body = {
            "digest": self.layer.digest,
            "size_bytes": self.layer.size,
            "model": self._model,
            "spans": [list(span) for span in there],
        }
        write_atomically(self._record, json.dumps(body).encode())

    def discard(self) -> None:
        """Remove what has come; the next download starts from nothing."""
        self._record.unlink(missing_ok=True)
        self.data.unlink(missing_ok=True)


class Partials:
    """All incomplete downloads of the store at `root`."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER

    @contextmanager
    def hold(self, layer: Layer, model: str, waiting: Callable[[str], None], wait_s: float = inf) -> Iterator[Partial]:
        """The folder of a blob, for the only kdmgr that writes to it; `waiting` is told while another one does."""
        folder = self._path(layer.digest)
        with ExitStack() as stack:
            while not _lock(stack, folder, f"downloading {model}", waiting, wait_s):
                continue
            yield Partial(folder, layer, model)

    def list(self) -> list[PartialInfo]:
        """What interrupted downloads, and running ones, have left; the largest first."""
        found = []
        with suppress(OSError):
            for folder in self._folder.iterdir():
                if (info := self._info(folder)) is not None:
                    found.append(info)
        return sorted(found, key=lambda info: info.completed, reverse=True)

    def find(self, digest: str) -> PartialInfo | None:
        """What there is of a blob."""
        return self._info(self._path(digest))

    def data(self, digest: str) -> Path:
        """Where what has come of a blob is."""
        return self._path(digest) / "data"

    def drop(self, digest: str) -> None:
        """Forget a blob that has become one of the store's. Hold the store's lock."""
        with suppress(OSError):
            (self._path(digest) / "record.json").unlink(missing_ok=True)
            self.data(digest).unlink(missing_ok=True)
        self.sweep(digest)

    def remove(self, info: PartialInfo) -> None:
        """Remove what there is of a blob; `StorageFailed` while another kdmgr downloads it."""
        folder = self._path(info.digest)
        with StoreLock(folder, _NOW_S).hold("removing what came of it", lambda sentence: None), suppress(OSError):
            (folder / "record.json").unlink(missing_ok=True)
            (folder / "data").unlink(missing_ok=True)
        self.sweep(info.digest)

    def sweep(self, digest: str) -> None:
        """Remove the folder of a blob that is no longer needed, unless something is still in it."""
        folder = self._path(digest)
        if not (folder / "data").exists():
            import shutil

            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                self._folder.rmdir()

    def _path(self, digest: str) -> Path:
        return self._folder / digest.removeprefix("sha256:")

    def _info(self, folder: Path) -> PartialInfo | None:
        try:
            digest = normalise_digest(f"sha256:{folder.name}")
            length = (folder / "data").stat().st_size
        except (OSError, Unreadable):
            return None
        try:
            info, spans = _decode(folder / "record.json", None)
        except (OSError, Unreadable):
            return PartialInfo(digest, length, 0, "")
        completed = Spans(info.size, ((start, min(end, length)) for start, end in spans)).total
        return PartialInfo(info.digest, info.size, completed, info.model)


def _lock(stack: ExitStack, folder: Path, work: str, waiting: Callable[[str], None], wait_s: float) -> bool:
    """Take the lock of `folder`; False when the one that was waited for has finished, and taken the folder away."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        stack.enter_context(StoreLock(folder, wait_s).hold(work, waiting))
    except StorageFailed as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return False
        raise
    return folder.is_dir()


def _decode(path: Path, size: int | None) -> tuple[PartialInfo, list[Span]]:
    """A record; `Unreadable` where it is damaged, or of a blob of another `size`."""
    with path.open("rb") as file:
        raw = file.read(MAX_RECORD)
    try:
        body = json.loads(raw)
        digest, found = normalise_digest(body["digest"]), int(body["size_bytes"])
        spans = [(int(start), int(end)) for start, end in body["spans"]]
        model = str(body["model"])[:500]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(f"{path} is damaged") from error
    if not 0 <= found < MAX_LAYER or (size is not None and found != size):
        raise Unreadable(f"{path} is of another size")
    return PartialInfo(digest, found, 0, model), spans
