"""A large body to a server on this machine, as fast as its loopback takes it.

Through httpx each block is copied twice and waits for the event loop, which takes a quarter of the speed; here
a thread sends from one buffer. Everything that is not plain http over loopback goes through httpx.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from kdmgr.engines.ollama.host import ServerAddress
from kdmgr.units import MIB

BLOCK = 1 * MIB
REPORT_S = 0.05
MAX_ANSWER = 64 << 10

Fill = Callable[[memoryview], int]
"""Puts the next bytes of a file into a buffer, at least one; what it raises ends the request."""
Sent = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds: for a connection, for one block to be taken, and for the answer."""

    connect_s: float
    write_s: float
    read_s: float


async def post(address: ServerAddress, path: str, fill: Fill, size: int, sent: Sent, waits: Waits) -> tuple[int, bytes]:
    """Status and beginning of the body of the answer to `size` bytes. Raises `OSError` or `HTTPException`.

    Cancelling, or an exception of `sent`, closes the connection at once.
    """
    loop = asyncio.get_running_loop()
    connection = http.client.HTTPConnection(address.host, address.port, timeout=waits.connect_s)

    raised: list[BaseException] = []

    def deliver(count: int) -> None:
        try:
            sent(count)
        except BaseException as error:
            raised.append(error)
            _cut(connection)

    def tell(count: int) -> None:
        loop.call_soon_threadsafe(deliver, count)

    work = loop.run_in_executor(None, _post, connection, address.path + path, fill, size, tell, waits)
    try:
        answer = await asyncio.shield(work)
    except (OSError, http.client.HTTPException):
        if not raised:
            raise
    finally:
        if not work.done():
            _cut(connection)
            await asyncio.wait({work})
            work.exception()
        connection.close()
    if raised:
        raise raised[0]
    return answer


def _post(
    connection: http.client.HTTPConnection, path: str, fill: Fill, size: int, sent: Sent, waits: Waits
) -> tuple[int, bytes]:
    connection.connect()
    connection.sock.settimeout(waits.write_s)
    connection.putrequest("POST", path, skip_accept_encoding=True)
    for name, value in (("content-length", str(size)), ("user-agent", "kdmgr"), ("connection", "close")):
        connection.putheader(name, value)
    connection.endheaders()
    try:
        _send(connection, fill, size, sent)
    except (BrokenPipeError, ConnectionResetError):
        # A server that refuses does so before it has everything: its answer says why, if it still can be read.
        return _answer(connection, waits)
    return _answer(connection, waits)


def _send(connection: http.client.HTTPConnection, fill: Fill, size: int, sent: Sent) -> None:
    view, left, last = memoryview(bytearray(BLOCK)), size, monotonic()
    while left > 0:
        count = fill(view[: min(BLOCK, left)])
        connection.send(view[:count])
        left -= count
        if left == 0 or monotonic() - last >= REPORT_S:
            last = monotonic()
            sent(size - left)


def _answer(connection: http.client.HTTPConnection, waits: Waits) -> tuple[int, bytes]:
    connection.sock.settimeout(waits.read_s)
    with connection.getresponse() as response:
        return response.status, response.read(MAX_ANSWER)


def _cut(connection: http.client.HTTPConnection) -> None:
    """Wake the thread, wherever it waits."""
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
