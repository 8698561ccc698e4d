"""A registry that takes pushes, as far as Ollama's server needs one (server/upload.go)."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class PushRegistry:
    """Takes blobs and manifests on a loopback port while its `with` block lasts."""

    def __init__(self, port: int = 0) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self._uploads: dict[str, bytearray] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def host(self) -> str:
        """What names begin with that are pushed here."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def begin_upload(self) -> str:
        upload = f"upload{len(self._uploads)}"
        self._uploads[upload] = bytearray()
        return upload

    def add(self, upload: str, body: bytes) -> None:
        self._uploads[upload] += body

    def finish(self, upload: str, digest: str) -> bool:
        body = bytes(self._uploads[upload])
        if f"sha256:{hashlib.sha256(body).hexdigest()}" != digest:
            return False
        self.blobs[digest] = body
        return True

    def __enter__(self) -> PushRegistry:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler_for(registry: PushRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, status: int, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"content-length": "0", **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("content-length") or 0))

        def do_HEAD(self) -> None:
            known = registry.blobs.get(self.path.rpartition("/")[2])
            self._answer(404 if known is None else 200)

        def do_POST(self) -> None:
            self._body()
            self._answer(202, location=f"http://{registry.host}/v2/uploads/{registry.begin_upload()}")

        def do_PATCH(self) -> None:
            registry.add(self.path.rpartition("/")[2], self._body())
            self._answer(202, location=f"http://{registry.host}{self.path}")

        def do_PUT(self) -> None:
            body = self._body()
            path, _, query = self.path.partition("?")
            if "/manifests/" in path:
                registry.manifests[path] = body
                self._answer(201)
                return
            digest = next(part for part in query.split("&") if part.startswith("digest="))
            digest = digest.removeprefix("digest=").replace("%3A", ":")
            self._answer(201 if registry.finish(path.rpartition("/")[2], digest) else 400)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
