"""Files to the server: asked for first, sent only when it lacks them, sent again when the connection breaks.

Contract: server/routes.go (HeadBlobHandler, CreateBlobHandler). An upload cannot be resumed; the server keeps
nothing of one that breaks off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from io import FileIO
from typing import TYPE_CHECKING

from kdmgr.engines.ollama.failures import refused
from kdmgr.engines.ollama.http import Connection
from kdmgr.errors import EngineFailed, KdmgrError, ServerUnreachable, StorageFailed, Unreadable
from kdmgr.units import printable

if TYPE_CHECKING:
    from pathlib import Path

ANSWER_S = 600.0
"""For what the server does after the last byte: it may have gigabytes left to write to a slow disk."""
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_FULL = ("no space left", "disk full", "not enough space", "quota exceeded")
_DENIED = ("permission denied", "read-only file system", "access is denied")

Sent = Callable[[int], None]
"""Called with the number of bytes sent so far; it starts again from 0 when the upload does."""


class WrongDigest(EngineFailed):
    """The server counted another digest than the file was said to have."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that the server shall have. `size` in bytes, as it was when it was hashed."""

    path: Path
    digest: str
    size: int


class Uploader:
    """Uploads to one server. `pause` waits for so many seconds."""

    def __init__(self, server: Connection, *, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._server = server
        self._pause = pause

    async def _has(self, digest: str) -> bool:
        """Whether the server has the blob."""
        status, body = await self._server.exchange("HEAD", f"/api/blobs/{digest}")
        if status in (200, 404):
            return status == 200
        raise refused(self._server.address, status, body, None)

    async def send(self, upload: Upload, sent: Sent) -> bool:
        """Make the server have the file; False when it had it already, and nothing was sent.

        Tried again when the connection breaks or the server is busy. Raises `WrongDigest`, `Unreadable` for a
        file that changed, `StorageFailed` for a full disk there, `ServerUnreachable` or `EngineFailed`.
        """
        for pause in (*PAUSES_S, None):
            try:
                if await self._has(upload.digest):
                    return False
                await self._post(upload, sent)
                return True
            except _Passing as error:
                if pause is None:
                    raise error.failure from error
            except ServerUnreachable:
                if pause is None:
                    raise
            await self._pause(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _post(self, upload: Upload, sent: Sent) -> None:
        with _open(upload.path) as file:
            reading = _Reading(upload.path, file)
            try:
                status, body = await self._server.post_file(
                    f"/api/blobs/{upload.digest}", reading.fill, upload.size, sent, read_s=ANSWER_S
                )
            except EngineFailed as error:
                raise _Passing(_broken(upload, error)) from error
        if status not in (200, 201):
            raise self._refusal(upload, status, body)

    def _refusal(self, upload: Upload, status: int, body: bytes) -> Exception:
        error = refused(self._server.address, status, body, None)
        words = error.message.lower()
        if status == 400 and "digest mismatch" in words:
            return WrongDigest(
                f"what the server received of {upload.path.name} has another digest: the file changed after it was "
                "hashed, or it was damaged on the way",
                hint="import it again; if it happens again, check the memory and the network",
            )
        if any(part in words for part in _FULL):
            return StorageFailed(
                f"the server's disk is full: {error.message}",
                hint="make room where its OLLAMA_MODELS is, then import again",
            )
        if any(part in words for part in _DENIED):
            return StorageFailed(
                f"the server cannot write to its models folder: {error.message}",
                hint="look at its OLLAMA_MODELS and who may write there",
            )
        if status == 503 or "unexpected EOF" in error.message:
            return _Passing(error)
        return error


class _Passing(Exception):
    """A failure that may pass; `failure` is what to say when it does not."""

    def __init__(self, failure: KdmgrError) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _Reading:
    """The bytes of a file, as many as were hashed: the request has promised so many."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self._path = path
        self._file = file

    def fill(self, view: memoryview) -> int:
        """Read into `view`; `Unreadable` where the file has ended already."""
        try:
            count = self._file.readinto(view)
        except OSError as error:
            raise _unreadable(f"cannot read {self._path}: {error.strerror or error}") from error
        if not count:
            raise _unreadable(f"{self._path} became shorter while it was sent")
        return count


def _open(path: Path) -> FileIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise _unreadable(f"cannot read {path}: {error.strerror or error}") from error


def _unreadable(message: str) -> Unreadable:
    return Unreadable(message, hint="import it again when it is complete and stays as it is")


def _broken(upload: Upload, error: KdmgrError) -> EngineFailed:
    return EngineFailed(
        f"sending {printable(upload.path.name)} failed again and again: {error.message}",
        hint="import again: what the server has complete is not sent twice, and nothing is hashed twice",
    )
