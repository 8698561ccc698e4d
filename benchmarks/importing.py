"""How fast an import is beside what it is made of: hashing, and a plain POST over loopback.

    python benchmarks/importing.py [--size 2GiB] [--rounds 5] [--serve /path/to/ollama]

One run, all figures from the same file and the same minute: hashing against `hashlib` alone, and hashing and
upload together against the harmonic mean of hashing and of a plain `http.client` POST to the same place. The
digest is part of the upload's address, so that one pass over the file cannot do both. `--serve` starts a real
server in a temporary folder and measures against it too; it writes what it gets to the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import http.client
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from kdmgr.engines.ollama import OllamaEngine
from kdmgr.engines.ollama.uploading import Upload
from kdmgr.models.hashing import hash_file
from kdmgr.units import MIB, format_bytes, format_speed, parse_bytes

_SINK = """
import re, socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
buffer = bytearray(1 << 20)
while True:
    client, _ = server.accept()
    with client:
        head = b""
        while b"\\r\\n\\r\\n" not in head:
            head += client.recv(65536)
        head, _, rest = head.partition(b"\\r\\n\\r\\n")
        found = re.search(rb"content-length: *(\\d+)", head.lower())
        left = int(found[1]) - len(rest) if found else 0
        while left > 0 and (count := client.recv_into(buffer)):
            left -= count
        status = b"404 Not Found" if head.startswith(b"HEAD") else b"201 Created"
        client.sendall(b"HTTP/1.1 " + status + b"\\r\\ncontent-length: 0\\r\\nconnection: close\\r\\n\\r\\n")
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--size", default="2GiB")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--serve", metavar="OLLAMA", help="a server's program")
    args = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="kdmgr-bench-") as folder:
        file = _write_file(Path(folder) / "large.bin", parse_bytes(args.size))
        print(f"{format_bytes(file.stat().st_size)} of random bytes, {args.rounds} rounds")
        with _sink() as host:
            _measure("a sink that throws away", host, file, args.rounds)
        if args.serve:
            with _server(args.serve, Path(folder) / "ollama") as host:
                _measure("a real server", host, file, args.rounds)
    print(f"largest memory of this process: {format_bytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)}")


def _measure(name: str, host: str, file: Path, rounds: int) -> None:
    """All rates of one round after another, so that whatever else the machine does meets all of them."""
    size = file.stat().st_size
    taken: dict[str, list[float]] = {}
    for _ in range(rounds):
        taken.setdefault("hashlib alone", []).append(_time(lambda: _plain_hash(file)))
        taken.setdefault("kdmgr's hashing", []).append(_time(lambda: hash_file(file, lambda progress: None)))
        digest = _renew(file)
        taken.setdefault("plain POST", []).append(_time(lambda digest=digest: _plain_post(host, file, digest)))
        digest = _renew(file)
        taken.setdefault("kdmgr's upload", []).append(_time(lambda digest=digest: _upload(host, file, digest)))
        _renew(file)
        taken.setdefault("hashing and upload", []).append(_time(lambda: _import(host, file)))
    print(f"\n{name:<40} {'best':>12} {'median':>12}")
    for what, each in taken.items():
        print(f"  {what:<38} {format_speed(size / min(each)):>12} {format_speed(size / median(each)):>12}")
    _print_ratio("hashing / hashlib alone", 0.95, taken, ("hashlib alone",), "kdmgr's hashing")
    both = ("hashlib alone", "plain POST")
    _print_ratio("hashing and upload / harmonic mean", 0.9, taken, both, "hashing and upload")


def _print_ratio(what: str, wanted: float, taken: dict[str, list[float]], plain: tuple[str, ...], ours: str) -> None:
    """Time of the plain steps over time of ours. Of the best rounds: what else runs here can only make one slower.

    Two passes of `size` bytes at the harmonic mean of two rates take the sum of their times.
    """
    best = sum(min(taken[name]) for name in plain) / min(taken[ours])
    rounds = zip(*(taken[name] for name in plain), strict=True)
    each = [sum(steps) / whole for steps, whole in zip(rounds, taken[ours], strict=True)]
    print(f"  {what:<38} {best:>12.3f} {median(each):>12.3f}   (wanted: {wanted})")


def _plain_hash(file: Path) -> None:
    with file.open("rb", buffering=0) as source:
        hashlib.file_digest(source, "sha256")


def _plain_post(host: str, file: Path, digest: str) -> None:
    connection = http.client.HTTPConnection(host, blocksize=MIB)
    with file.open("rb") as source:
        headers = {"content-length": str(file.stat().st_size)}
        connection.request("POST", f"/api/blobs/{digest}", body=source, headers=headers)
        assert connection.getresponse().status == 201
    connection.close()


def _upload(host: str, file: Path, digest: str) -> None:
    asyncio.run(_send(host, file, digest))


async def _send(host: str, file: Path, digest: str) -> None:
    engine = OllamaEngine(host, {})
    sent = await engine.uploads.send(Upload(file, digest, file.stat().st_size), lambda count: None)  # noqa: ASYNC240
    await engine.close()
    assert sent


def _import(host: str, file: Path) -> None:
    digest, _ = hash_file(file, lambda progress: None)
    _upload(host, file, digest)


def _renew(file: Path) -> str:
    """Make the file another one that no server has; its digest."""
    with file.open("r+b") as target:
        target.write(os.urandom(64))
    return hash_file(file, lambda progress: None)[0]


def _write_file(path: Path, size: int) -> Path:
    with path.open("wb") as target:
        for _ in range(size // (64 * MIB)):
            target.write(os.urandom(64 * MIB))
        target.write(os.urandom(size % (64 * MIB)))
    return path


def _time(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@contextmanager
def _sink() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", _SINK], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"
        process.kill()


@contextmanager
def _server(program: str, home: Path) -> Iterator[str]:
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    env = {**os.environ, "HOME": str(home), "OLLAMA_MODELS": str(home / "models"), "OLLAMA_HOST": host}
    with subprocess.Popen([program, "serve"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(host)
            yield host
        finally:
            process.terminate()
            process.wait(20)
            shutil.rmtree(home, ignore_errors=True)


def _wait_for(host: str) -> None:
    name, _, port = host.partition(":")
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((name, int(port)), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main()
