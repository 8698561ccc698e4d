"""How fast a blob comes into kdmgr's own store, against plain httpx streaming and sha256 without a disk.

    python benchmarks/pull.py [MiB] [rounds]

The file is served from another process on this machine; each round measures both, one after the other, and the
median of the rounds' ratios is what counts: the machine's other work falls on both.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import statistics
import sys
import tempfile
import threading
import time
from multiprocessing import Process
from pathlib import Path

import httpx

from kdmgr.errors import Unreadable
from kdmgr.models.manifest import Layer
from kdmgr.models.partials import Partials
from kdmgr.models.range_request import RemoteFile
from kdmgr.models.transfer import TransferOptions, fetch_blob
from kdmgr.models.web import Waits, Web


def serve(listening: socket.socket, path: str) -> None:
    """Answer every GET with the file, or with the range that is asked for."""
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=_answer, args=(connection, path), daemon=True).start()


def _answer(connection: socket.socket, path: str) -> None:
    size, received = Path(path).stat().st_size, b""
    with connection, Path(path).open("rb") as file:
        while True:
            while b"\r\n\r\n" not in received:
                if not (more := connection.recv(1 << 16)):
                    return
                received += more
            head, _, received = received.partition(b"\r\n\r\n")
            match = re.search(rb"range: bytes=(\d+)-(\d+)", head, re.IGNORECASE)
            first, last = (int(match[1]), min(int(match[2]), size - 1)) if match else (0, size - 1)
            status = b"206 Partial\r\ncontent-range: bytes %d-%d/%d" % (first, last, size) if match else b"200 OK"
            connection.sendall(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n" % (status, last - first + 1))
            while first <= last:
                first += os.sendfile(connection.fileno(), file.fileno(), first, last - first + 1)


def stream_plainly(url: str) -> str:
    """The digest of what comes, nothing kept."""
    sha256 = hashlib.sha256()
    with httpx.Client(trust_env=False) as client, client.stream("GET", url) as response:
        for chunk in response.iter_bytes():
            sha256.update(chunk)
    return sha256.hexdigest()


def pull(url: str, digest: str, size: int, root: Path, connections: int) -> None:
    """Into the store: written, synced and checked."""
    web = Web(waits=Waits(read_s=30, whole_s=900))
    file = RemoteFile(url, size, lambda answer: Unreadable(f"HTTP {answer.status}"))
    with Partials(root).hold(Layer("model", f"sha256:{digest}", size), "x", lambda sentence: None) as partial:
        fetch_blob(web, file, partial, lambda progress: None, TransferOptions(connections=connections))
        partial.discard()


def main() -> None:
    size = int(sys.argv[1] if len(sys.argv) > 1 else 1024) << 20
    rounds = int(sys.argv[2] if len(sys.argv) > 2 else 5)
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        path = Path(folder) / "blob"
        with path.open("wb") as target:
            for _ in range(size >> 20):
                target.write(os.urandom(1 << 20))
        server = Process(target=serve, args=(listening, str(path)), daemon=True)
        server.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        ratios = []
        for _ in range(rounds):
            started = time.perf_counter()
            digest = stream_plainly(url)
            plain = size / (time.perf_counter() - started)
            started = time.perf_counter()
            pull(url, digest, size, Path(folder), 4)
            pulled = size / (time.perf_counter() - started)
            ratios.append(pulled / plain)
            print(f"plain {plain / 2**20:.0f} MiB/s, into the store {pulled / 2**20:.0f} MiB/s, ratio {ratios[-1]:.2f}")
        print(f"median ratio {statistics.median(ratios):.2f}")
        server.terminate()


if __name__ == "__main__":
    main()
