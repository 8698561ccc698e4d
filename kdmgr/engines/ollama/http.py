"""Requests to the server: every wait bounded, every failure one of ours."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kdmgr.engines.ollama.failures import refused
from kdmgr.engines.ollama.lines import LineSplitter
from kdmgr.engines.ollama.reaching import too_long, transport_failure, unusable_client
from kdmgr.engines.ollama.replies import read_object

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Mapping

    import httpx

    from kdmgr.engines.ollama.host import ServerAddress
    from kdmgr.engines.ollama.loopback import Fill, Sent

CONNECT_S = 2.0
REQUEST_S = 10.0
WRITE_S = 120.0
"""For one block of an upload: a server on a slow disk takes the next one late."""
MAX_REPLY = 64 << 20
MAX_ERROR = 64 << 10


class Connection:
    """A client of one server. It connects when it is first asked something."""

    def __init__(self, address: ServerAddress, platform: str, transport: httpx.AsyncBaseTransport | None) -> None:
        self.address = address
        self.platform = platform
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def get(self, path: str, *, within: float = REQUEST_S) -> dict[str, Any]:
        """The JSON object at `path`, within so many seconds in all."""
        return await self._whole("GET", path, None, within)

    async def post(self, path: str, body: Mapping[str, Any], *, within: float = REQUEST_S) -> dict[str, Any]:
        """The JSON object that answers `body`, within so many seconds in all."""
        return await self._whole("POST", path, body, within)

    async def head(self, path: str, *, within: float = REQUEST_S) -> int:
        """The status at `path`: 200, or 404 for what is not there. Raises `KdmgrError` for every other."""
        import asyncio

        try:
            async with asyncio.timeout(within), self._open("HEAD", path, None, within, also=(404,)) as response:
                return response.status_code
        except TimeoutError as error:
            raise too_long(self.address, within) from error

    async def order(self, method: str, path: str, body: Mapping[str, Any], *, within: float = REQUEST_S) -> None:
        """Have something done, within so many seconds in all; what the server answers to it is empty."""
        import asyncio

        try:
            async with asyncio.timeout(within), self._open(method, path, body, read_s=within):
                return
        except TimeoutError as error:
            raise too_long(self.address, within) from error

    async def stream(
        self, path: str, body: Mapping[str, Any], *, idle_s: float | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """One object for each line of the answer. Closing the generator closes the connection at once.

        A server that is silent for `idle_s` seconds has stopped answering; None waits for ever.
        """
        splitter = LineSplitter()
        async with self._open("POST", path, body, read_s=idle_s) as response, aclosing(_chunks(response)) as chunks:
            async for chunk in chunks:
                for line in splitter.feed(chunk):
                    yield read_object(line)
            if rest := splitter.rest():
                yield read_object(rest)

    async def exchange(
        self,
        method: str,
        path: str,
        content: AsyncIterable[bytes] | None = None,
        *,
        size: int | None = None,
        read_s: float = REQUEST_S,
    ) -> tuple[int, bytes]:
        """Status and the beginning of the body of an answer, whatever it says; `content` of `size` bytes is streamed.

        `read_s` is how long the server may take to answer what it got. Raises `KdmgrError` when there is no answer.
        """
        import httpx

        headers = {"content-length": str(size)} if content is not None else {}
        timeout = httpx.Timeout(REQUEST_S, connect=CONNECT_S, read=read_s, write=WRITE_S)
        client = self._ready_client()
        try:
            async with client.stream(
                method, self.address.url + path, content=content, headers=headers, timeout=timeout
            ) as response:
                return response.status_code, await _read(response, MAX_ERROR)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise transport_failure(self.address, error, self.platform) from error

    async def post_file(self, path: str, fill: Fill, size: int, sent: Sent, *, read_s: float) -> tuple[int, bytes]:
        """The same for a body that `fill` puts into buffers in another thread; `sent` hears how far it has come."""
        if not self.address.is_loopback or self.address.scheme != "http" or self._transport is not None:
            return await self.exchange("POST", path, _blocks(fill, size, sent), size=size, read_s=read_s)
        from http.client import HTTPException

        from kdmgr.engines.ollama.loopback import Waits, post

        try:
            return await post(self.address, path, fill, size, sent, Waits(CONNECT_S, WRITE_S, read_s))
        except (OSError, HTTPException) as error:
            raise transport_failure(self.address, _as_httpx(error), self.platform) from error

    async def close(self) -> None:
        """Close idle connections; a later request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _whole(self, method: str, path: str, body: Mapping[str, Any] | None, within: float) -> dict[str, Any]:
        import asyncio

        try:
            async with asyncio.timeout(within), self._open(method, path, body, read_s=within) as response:
                return read_object(await _read(response, MAX_REPLY))
        except TimeoutError as error:
            raise too_long(self.address, within) from error

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        read_s: float | None,
        *,
        also: tuple[int, ...] = (),
    ) -> AsyncIterator[httpx.Response]:
        """A successful response (or one of a status in `also`), its body unread. Raises `KdmgrError` for others."""
        import asyncio

        if self._client is None:
            # A screen must not stand still for the quarter of a second that this takes.
            await asyncio.to_thread(import_module, "httpx")
        import httpx

        client = self._ready_client()
        timeout = httpx.Timeout(REQUEST_S, connect=CONNECT_S, read=read_s)
        try:
            async with client.stream(method, self.address.url + path, json=body, timeout=timeout) as response:
                if not response.is_success and response.status_code not in also:
                    reason = await _read_reason(response)
                    raise refused(self.address, response.status_code, reason, _model_of(body))
                yield response
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise transport_failure(self.address, error, self.platform) from error

    def _ready_client(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            try:
                self._client = httpx.AsyncClient(
                    transport=self._transport,
                    # A proxy cannot reach this machine's loopback address.
                    trust_env=not self.address.is_loopback,
                    # Redirects are not followed: without TLS in the address there is no certificate to check.
                    verify=self.address.scheme == "https",
                    headers={"accept-encoding": "identity", "user-agent": "kdmgr"},
                )
            except (ValueError, ImportError, httpx.InvalidURL) as error:
                raise unusable_client(self.address, error) from error
        return self._client


async def _chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    async for chunk in response.aiter_bytes():
        yield chunk


async def _blocks(fill: Fill, size: int, sent: Sent) -> AsyncGenerator[bytes, None]:
    """The body block by block, each read in a thread."""
    import asyncio

    from kdmgr.engines.ollama.loopback import BLOCK

    left, view = size, memoryview(bytearray(BLOCK))
    while left > 0:
        count = await asyncio.to_thread(fill, view[: min(BLOCK, left)])
        left -= count
        yield bytes(view[:count])
        sent(size - left)


def _as_httpx(error: Exception) -> Exception:
    """What httpx would have raised."""
    import httpx

    if isinstance(error, ConnectionRefusedError):
        failure: Exception = httpx.ConnectError(str(error))
    elif isinstance(error, TimeoutError):
        failure = httpx.ReadTimeout(str(error))
    else:
        failure = httpx.ReadError(str(error))
    failure.__cause__ = error
    return failure


async def _read(response: httpx.Response, limit: int) -> bytes:
    """The body, cut at `limit`; what is cut is no JSON any more."""
    body = bytearray()
    async with aclosing(_chunks(response)) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > limit:
                break
    return bytes(body[:limit])


async def _read_reason(response: httpx.Response) -> bytes:
    """The body of a refusal; what comes too late is not waited for, also where an answer may take its time."""
    import asyncio

    try:
        async with asyncio.timeout(REQUEST_S):
            return await _read(response, MAX_ERROR)
    except TimeoutError:
        return b"{}"


def _model_of(body: Mapping[str, Any] | None) -> str | None:
    return next((str(body[key]) for key in ("model", "source") if key in body), None) if body else None
