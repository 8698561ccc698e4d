"""A loopback server that takes models like Ollama does: blobs by digest, then create; with faults on demand.

What it answers is held to a real server's answers by tests/engines/test_ollama_import_contract.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Fault = Callable[[BaseHTTPRequestHandler, int], bool]
"""Called with the handler and the length of the request's body; True when it has answered (or hung up) itself."""


class BlobServer:
    """Serves while its `with` block lasts. `faults` are taken one by one, for "HEAD", "POST" (a blob), "CREATE"."""

    def __init__(self, version: str = "0.24.0", port: int = 0) -> None:
        self.version = version
        self.blobs: dict[str, bytes] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.created: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.faults: dict[str, list[Fault | None]] = {}
        self.answer = "Paris."
        self.template = "{{ .Prompt }}"
        self.shown: dict[str, Any] = {}
        """What /api/show tells beside its own."""
        self.loaded: list[dict[str, Any]] = []
        self.during: Callable[[], None] = lambda: None
        """Called when an upload has come half-way."""
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def uploads(self) -> int:
        """Uploads that were begun."""
        return sum(line.startswith("POST /api/blobs/") for line in self.asked)

    def next_fault(self, kind: str) -> Fault | None:
        waiting = self.faults.get(kind, [])
        return waiting.pop(0) if waiting else None

    def __enter__(self) -> BlobServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def hang_up(after: int) -> Fault:
    """Read `after` bytes of the body, then be gone, as a server that was killed."""

    def fault(handler: BaseHTTPRequestHandler, length: int) -> bool:
        handler.rfile.read(min(after, length))
        handler.close_connection = True
        return True

    return fault


def refuse(status: int, error: str, *, after: int | None = None) -> Fault:
    """Answer with an error, after all of the body or a part of it."""

    def fault(handler: BaseHTTPRequestHandler, length: int) -> bool:
        handler.rfile.read(length if after is None else min(after, length))
        if after is not None:
            handler.close_connection = True
        _reply(handler, status, {"error": error})
        return True

    return fault


def _reply(handler: BaseHTTPRequestHandler, status: int, body: object = None) -> None:
    content = b"" if body is None else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(content)


def _handler_for(server: BlobServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError, ValueError):
                super().handle()

        def do_HEAD(self) -> None:
            server.asked.append(f"HEAD {self.path}")
            if (fault := server.next_fault("HEAD")) and fault(self, 0):
                return
            _reply(self, 200 if self._digest() in server.blobs else 404)

        def do_GET(self) -> None:
            server.asked.append(f"GET {self.path}")
            if self.path == "/api/version":
                _reply(self, 200, {"version": server.version})
            elif self.path == "/api/tags":
                _reply(self, 200, {"models": list(server.models.values())})
            else:
                _reply(self, 200, {"models": server.loaded})

        def do_POST(self) -> None:
            server.asked.append(f"POST {self.path}")
            length = int(self.headers.get("content-length") or 0)
            if self.path.startswith("/api/blobs/"):
                self._take_blob(length)
                return
            if self.path == "/api/create" and (fault := server.next_fault("CREATE")) and fault(self, length):
                return
            body = json.loads(self.rfile.read(length))
            if self.path == "/api/create":
                self._create(body)
            elif self.path == "/api/show":
                self._show(body["model"])
            else:
                self._stream({"message": {"content": server.answer}, "done": False}, {"done": True, **_STATS})

        def _digest(self) -> str:
            return self.path.rpartition("/")[2]

        def _take_blob(self, length: int) -> None:
            if (fault := server.next_fault("POST")) and fault(self, length):
                return
            if self._digest() in server.blobs:
                _reply(self, 200)
                return
            content = self.rfile.read(length // 2)
            server.during()
            content += self.rfile.read(length - len(content))
            if len(content) < length:
                self.close_connection = True
                return
            got = f"sha256:{hashlib.sha256(content).hexdigest()}"
            server.blobs[got] = content
            if got == self._digest():
                _reply(self, 201)
            else:
                _reply(self, 400, {"error": f'digest mismatch, expected "{self._digest()}", got "{got}"'})

        def _create(self, body: dict[str, Any]) -> None:
            missing = [digest for digest in body.get("files", {}).values() if digest not in server.blobs]
            if missing:
                self._stream({"status": "parsing GGUF"}, {"error": f"open {missing[0]}: no such file or directory"})
                return
            server.created.append(body)
            digest = hashlib.sha256(json.dumps(body).encode()).hexdigest()
            server.models[body["model"]] = {"name": body["model"], "size": 1, "digest": digest}
            self._stream({"status": "parsing GGUF"}, {"status": "writing manifest"}, {"status": "success"})

        def _show(self, name: str) -> None:
            body = next((body for body in reversed(server.created) if body["model"] == name), None)
            if body is None:
                _reply(self, 404, {"error": f"model '{name}' not found"})
                return
            weights = next(iter(body.get("files", {}).values()), "sha256:" + "0" * 64)
            modelfile = f"FROM /models/blobs/{weights.replace(':', '-')}\n"
            shown = {
                "modelfile": modelfile,
                "template": body.get("template") or server.template,
                "details": {"family": "llama", "quantization_level": "Q8_0"},
                "capabilities": ["completion"],
            }
            _reply(self, 200, shown | server.shown)

        def _stream(self, *lines: dict[str, Any]) -> None:
            content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
            self.send_response(200)
            self.send_header("content-type", "application/x-ndjson")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


_STATS = {"done_reason": "stop", "eval_count": 8, "eval_duration": 400_000_000, "load_duration": 1_000_000}
