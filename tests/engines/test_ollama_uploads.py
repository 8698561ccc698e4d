"""Uploads: over loopback and through a general client the same, in bounded memory, ended at once."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kdmgr.engines.ollama import OllamaEngine
from kdmgr.engines.ollama.uploading import Upload
from kdmgr.errors import NotFound, Unreadable
from tests.support.blob_server import BlobServer

MIB = 1 << 20


@pytest.fixture
def server() -> Iterator[BlobServer]:
    with BlobServer() as server:
        yield server


@pytest.fixture
def upload(tmp_path: Path) -> Upload:
    content = os.urandom(5 * MIB + 3)
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    return Upload(path, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))


@pytest.mark.parametrize("direct", [True, False])
async def test_all_bytes_arrive_and_are_counted(server: BlobServer, upload: Upload, direct: bool) -> None:
    engine = OllamaEngine(server.host, {}, transport=None if direct else httpx.AsyncHTTPTransport())
    counts: list[int] = []
    assert await engine.uploads.send(upload, counts.append)
    await asyncio.sleep(0)
    await engine.close()
    assert hashlib.sha256(server.blobs[upload.digest]).hexdigest() == upload.digest.removeprefix("sha256:")
    assert counts[-1] == upload.size
    assert counts == sorted(counts)


@pytest.mark.parametrize("direct", [True, False])
async def test_a_file_that_is_gone_or_shorter_is_said(
    server: BlobServer, upload: Upload, tmp_path: Path, direct: bool
) -> None:
    engine = OllamaEngine(server.host, {}, transport=None if direct else httpx.AsyncHTTPTransport())
    longer = Upload(upload.path, upload.digest, upload.size + 9)
    with pytest.raises(Unreadable, match="became shorter"):
        await engine.uploads.send(longer, lambda count: None)
    gone = Upload(tmp_path / "gone", upload.digest, 9)
    with pytest.raises((Unreadable, NotFound)):
        await engine.uploads.send(gone, lambda count: None)
    await engine.close()
    assert server.blobs == {}


async def test_memory_stays_bounded(server: BlobServer, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    digest = f"sha256:{hashlib.sha256(bytes(64 * MIB)).hexdigest()}"
    server.faults["POST"] = [_swallow]
    engine = OllamaEngine(server.host, {})
    tracemalloc.start()
    try:
        await engine.uploads.send(Upload(path, digest, 64 * MIB), lambda count: None)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
        await engine.close()


async def test_cancelling_ends_it_at_once(server: BlobServer, upload: Upload) -> None:
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> None:
        loop.call_soon_threadsafe(reached.set)
        time.sleep(1.5)

    server.during = wait
    engine = OllamaEngine(server.host, {})
    task = asyncio.create_task(engine.uploads.send(upload, lambda count: None))
    await asyncio.wait_for(reached.wait(), 5)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await engine.close()
    assert time.monotonic() - started < 1


def _swallow(handler: object, length: int) -> bool:
    from http.server import BaseHTTPRequestHandler

    assert isinstance(handler, BaseHTTPRequestHandler)
    while length > 0:
        length -= len(handler.rfile.read(min(length, MIB)))
    handler.send_response(201)
    handler.send_header("content-length", "0")
    handler.end_headers()
    return True
