"""Loopback servers that publish models: a registry, a hub, and the host that holds their files.

Files are served by ranges from a second port, as a CDN does; every request is kept, and faults can be asked for.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came."""

    path: str
    headers: dict[str, str]


@dataclass(slots=True)
class Page:
    """An answer to every GET of one path."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    endless: bool = False
    """Send the body again and again until the client leaves."""


class Site:
    """Answers GETs on a free loopback port while its `with` block lasts."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.sent = 0
        """Bytes of bodies that were written."""
        self.counting = threading.Lock()
        self.pages: dict[str, Page] = {}
        self.files: dict[str, Path] = {}
        self.guard: Callable[[Asked], Page | None] = lambda _asked: None
        """Looks at a request first; what it returns is the answer."""
        self.ignores_ranges = False
        self.cut_after: list[int] = []
        """The next answers of files are cut after so many bytes each."""
        self.cut_every = 0
        """Every answer of a file is cut after so many bytes, as long as this is not 0."""
        self.rate = 0.0
        """Bytes a second of each answer of a file; 0 is as fast as it goes."""
        self.wrong_range = False
        self.pause_s = 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def add_json(self, path: str, value: object, **headers: str) -> bytes:
        body = json.dumps(value).encode()
        self.pages[path] = Page(body, headers={"content-type": "application/json", **headers})
        return body

    def redirect(self, path: str, location: str, status: int = 307) -> None:
        self.pages[path] = Page(status=status, headers={"location": location})

    def answer(self, asked: Asked) -> Page | None:
        """An answer to what has no page of its own."""
        return None

    def file_requests(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.path in self.files]

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler_for(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle()

        def do_GET(self) -> None:
            asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()})
            site.asked.append(asked)
            time.sleep(site.pause_s)
            with contextlib.suppress(OSError):
                page = site.guard(asked) or site.pages.get(self.path) or site.answer(asked)
                if page is not None:
                    self._send_page(page)
                elif self.path in site.files:
                    self._send_file(site.files[self.path], asked.headers.get("range"))
                else:
                    self._send_page(Page(b"not found", 404))

        def do_HEAD(self) -> None:
            """The length of a file; Ollama asks before it downloads."""
            page, path = site.pages.get(self.path), site.files.get(self.path)
            self.send_response(page.status if page else 200 if path else 404)
            for name, value in (page.headers if page else {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(path.stat().st_size if path else 0))
            self.end_headers()

        def _send_page(self, page: Page) -> None:
            self.send_response(page.status)
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(1 << 30 if page.endless else len(page.body)))
            self.end_headers()
            self._write(page.body)
            while page.endless:
                self._write(page.body)

        def _send_file(self, path: Path, asked: str | None) -> None:
            size = path.stat().st_size
            match = re.fullmatch(r"bytes=(\d+)-(\d+)", asked or "")
            first, last = (int(match[1]), min(int(match[2]), size - 1)) if match else (0, size - 1)
            if match is None or site.ignores_ranges:
                first, last = 0, size - 1
                self.send_response(200)
            else:
                self.send_response(206)
                shift = 1 if site.wrong_range else 0
                self.send_header("content-range", f"bytes {first + shift}-{last + shift}/{size}")
            self.send_header("content-length", str(last - first + 1))
            self.send_header("content-type", "application/octet-stream")
            self.end_headers()
            left = last - first + 1
            if site.cut_after:
                left = min(left, site.cut_after.pop(0))
                self.close_connection = True
            if site.cut_every and left > site.cut_every:
                left = site.cut_every
                self.close_connection = True
            with path.open("rb") as file:
                file.seek(first)
                while left > 0 and (piece := file.read(min(left, 1 << 16))):
                    self._write(piece)
                    left -= len(piece)
                    if site.rate:
                        time.sleep(len(piece) / site.rate)

        def _write(self, piece: bytes) -> None:
            # Counted first: a client may be done with it before this thread goes on.
            with site.counting:
                site.sent += len(piece)
            self.wfile.write(piece)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def digest_of(path: Path) -> str:
    """The sha256 that a publisher would name. Of the path only: sparse files are too large to hash."""
    import hashlib

    return f"sha256:{hashlib.sha256(str(path).encode()).hexdigest()}"


class Registry(Site):
    """A registry of Ollama's protocol; blobs are redirected to `cdn`."""

    def __init__(self, cdn: Site) -> None:
        super().__init__()
        self.cdn = cdn

    def publish(
        self, name: str, path: Path, *, extra: tuple[tuple[str, int], ...] = (), size: int | None = None
    ) -> str:
        """Offer `path` under `namespace/model:tag`, with more layers of these kinds and sizes; the blob's digest."""
        repo, _, tag = name.rpartition(":")
        digest = digest_of(path)
        layers = [("model", path.stat().st_size if size is None else size, digest)]
        layers += [(kind, n_bytes, f"sha256:{at:064x}") for at, (kind, n_bytes) in enumerate(extra, 1)]
        self.add_json(
            f"/v2/{repo}/manifests/{tag}",
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": {
                    "mediaType": "application/vnd.docker.container.image.v1+json",
                    "digest": f"sha256:{0:064x}",
                    "size": 483,
                },
                "layers": [
                    {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": name_of, "size": n_bytes}
                    for kind, n_bytes, name_of in layers
                ],
            },
        )
        held = f"/blobs/{digest.removeprefix('sha256:')}"
        self.cdn.files[held] = path
        self.redirect(f"/v2/{repo}/blobs/{digest}", f"{self.cdn.url}{held}")
        return digest


class HubSite(Site):
    """The Hugging Face Hub; files are redirected to `cdn`, and `listing` is searched."""

    def __init__(self, cdn: Site) -> None:
        super().__init__()
        self.cdn = cdn
        self.listing: dict[str, dict[str, Any]] = {}
        """What the API says of each repository; a search answers with these."""

    def list_repo(self, entry: dict[str, Any], card: str | bytes | None = None) -> None:
        """Have a repository found, as `entry` describes it, with the model card it has."""
        self.listing[entry["id"]] = entry
        if card is not None:
            body = card if isinstance(card, bytes) else card.encode()
            self.pages[f"/{entry['id']}/resolve/main/README.md"] = Page(body)

    def answer(self, asked: Asked) -> Page | None:
        """The API's answers: `/api/models?search=…` and `/api/models/owner/name`."""
        url = urlsplit(asked.path)
        if url.path == "/api/models":
            return json_page(self._search(parse_qs(url.query)))
        entry = self.listing.get(url.path.removeprefix("/api/models/"))
        if entry is not None:
            return json_page(_expand(entry, parse_qs(url.query)))
        if url.path.startswith("/api/models/"):
            return Page(b'{"error":"Repository not found"}', 401, {"x-error-code": "RepoNotFound"})
        return None

    def _search(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        """Every word somewhere in the name, every filter among the tags, the largest first, as the Hub does it."""
        words = query.get("search", [""])[0].lower().split()
        key = query.get("sort", ["downloads"])[0]
        found = [
            entry
            for repo, entry in self.listing.items()
            if all(word in repo.lower() for word in words) and set(query.get("filter", ())) <= set(entry["tags"])
        ]
        found.sort(key=lambda entry: entry[key], reverse=True)
        return [_expand(entry, query) for entry in found[: int(query.get("limit", ["1000"])[0])]]

    def publish(self, repo: str, files: dict[str, Path], *, per_page: int = 1000) -> None:
        """Offer files under their paths in the repository, listed so many a page."""
        entries: list[dict[str, object]] = [{"type": "file", "oid": "0" * 40, "size": 12, "path": "README.md"}]
        for name, path in files.items():
            digest = digest_of(path).removeprefix("sha256:")
            size = path.stat().st_size
            lfs = {"oid": digest, "size": size, "pointerSize": 134}
            entries.append({"type": "file", "oid": "1" * 40, "size": size, "path": name, "lfs": lfs})
            self.cdn.files[f"/xet/{digest}"] = path
            self.redirect(f"/{repo}/resolve/main/{name}", f"{self.cdn.url}/xet/{digest}", 302)
        base = f"/api/models/{repo}/tree/main?recursive=true"
        for number, start in enumerate(range(0, len(entries), per_page)):
            path_here = base if number == 0 else f"{base}&cursor={number}"
            headers = {}
            if start + per_page < len(entries):
                headers["link"] = f'<{self.url}{base}&cursor={number + 1}>; rel="next"'
            self.add_json(path_here, entries[start : start + per_page], **headers)


def json_page(body: object) -> Page:
    """An answer in JSON."""
    return Page(json.dumps(body).encode(), headers={"content-type": "application/json; charset=utf-8"})


def _expand(entry: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
    """With `expand`, nothing but the name and what was asked for."""
    wanted = query.get("expand")
    return entry if wanted is None else {key: entry[key] for key in ("_id", "id", *wanted) if key in entry}
