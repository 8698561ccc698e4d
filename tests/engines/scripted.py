"""A loopback HTTP server that answers from a script: recorded exchanges, or faults made for a test."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

RECORDINGS = Path(__file__).parent / "recordings"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: pieces of the body, each sent at once; a number is a pause in seconds."""

    pieces: tuple[bytes | float, ...] = ()
    status: int = 200
    content_type: str = "application/json"
    hangs_up: bool = False
    """Close the connection after the pieces, without the end of the body."""


@dataclass(slots=True)
class Exchange:
    """A request (any body when `body` is None) and its answers in order; the last one is given again."""

    method: str
    path: str
    replies: list[Reply]
    body: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    body: dict[str, Any] | None
    headers: dict[str, str] = field(repr=False)


def line(**reply: object) -> bytes:
    """One line of a stream."""
    return json.dumps(reply, ensure_ascii=False).encode() + b"\n"


def json_reply(status: int = 200, **reply: object) -> Reply:
    """A whole JSON reply."""
    return Reply((json.dumps(reply).encode(),), status)


def read_body(raw: bytes) -> dict[str, Any] | None:
    """The JSON object of a request; None for a blob, whose digest is in its address."""
    return json.loads(raw) if raw.startswith(b"{") else None


def load_recording(path: Path) -> list[Exchange]:
    """The exchanges of one recording, equal requests joined."""
    exchanges: list[Exchange] = []
    for entry in json.loads(path.read_text("utf-8")):
        pieces = tuple(piece.encode() for piece in entry["pieces"])
        reply = Reply(pieces, entry["status"], entry["content_type"])
        for known in exchanges:
            if (known.method, known.path, known.body) == (entry["method"], entry["path"], entry["body"]):
                known.replies.append(reply)
                break
        else:
            exchanges.append(Exchange(entry["method"], entry["path"], [reply], entry["body"]))
    return exchanges


class ScriptedServer:
    """Serves exchanges on a free loopback port while its `with` block lasts."""

    def __init__(self, exchanges: Iterable[Exchange] = ()) -> None:
        self.exchanges = list(exchanges)
        self.asked: list[Asked] = []
        self.left = threading.Event()
        """Set when a client closed its connection before the answer was complete."""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def host(self) -> str:
        """What to set OLLAMA_HOST to."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def on(self, method: str, path: str, *replies: Reply) -> ScriptedServer:
        """Answer such requests with these replies in order, whatever their body."""
        self.exchanges.append(Exchange(method, path, list(replies)))
        return self

    def next_reply(self, asked: Asked) -> Reply:
        """The answer to a request, by the script."""
        with self._lock:
            self.asked.append(asked)
            for exchange in self.exchanges:
                if (exchange.method, exchange.path) == (asked.method, asked.path) and (
                    exchange.body is None or exchange.body == asked.body
                ):
                    return exchange.replies.pop(0) if len(exchange.replies) > 1 else exchange.replies[0]
        return Reply((b"404 page not found",), 404, "text/plain")

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler_for(script: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        connection: socket.socket

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle()

        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            asked = Asked(self.command, self.path, read_body(raw), dict(self.headers.items()))
            try:
                self._send(script.next_reply(asked))
            except OSError:
                self._note_leaving()

        do_GET = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("content-type", reply.content_type)
            if self.command == "HEAD":
                self.send_header("content-length", "0")
                self.end_headers()
                return None
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in reply.pieces:
                if isinstance(piece, bytes):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                elif self._client_leaves(within=piece):
                    return self._note_leaving()
            if reply.hangs_up:
                self.close_connection = True
                return None
            self.wfile.write(b"0\r\n\r\n")
            return None

        def _client_leaves(self, within: float) -> bool:
            readable, _, _ = select.select([self.connection], [], [], within)
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

        def _note_leaving(self) -> None:
            self.close_connection = True
            script.left.set()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
