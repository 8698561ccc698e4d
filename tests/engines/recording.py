"""Makes the recordings that the scripted server plays: the bytes of a real server, as its client saw them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from tests.engines.scripted import read_body

# The folder of the server's models is the only thing in its replies that tells on the machine.
_BLOBS = re.compile(rb'[^"\s]*(?=/blobs/sha256-|/manifests/registry\.)')


class Recorder(httpx.AsyncBaseTransport):
    """Passes requests on and keeps what was said."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport(retries=0)
        self._entries: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as the real server does."""
        body = await request.aread()
        response = await self._inner.handle_async_request(request)
        entry = {
            "method": request.method,
            "path": request.url.path,
            "body": read_body(body),
            "status": response.status_code,
            "content_type": response.headers.get("content-type", ""),
            "pieces": [],
        }
        self._entries.append(entry)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=_Tee(response.stream, entry["pieces"])
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    def write(self, path: Path) -> None:
        """Keep the recording at `path`."""
        path.write_text(json.dumps(self._entries, indent=1, ensure_ascii=False) + "\n", "utf-8")


class _Tee(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, pieces: list[str]) -> None:
        self._stream = stream
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._pieces.append(_BLOBS.sub(b"/models", chunk).decode())
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
