"""The header cache: read once, known again, never trusted when damaged."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kdmgr.errors import NotFound, Unreadable
from kdmgr.gguf.codec import encode_header
from kdmgr.models.headers import HeaderCache, read_file_header
from tests.gguf.forge import small_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "headers"


def test_headers_are_read_once(tiny_gguf: Path, folder: Path) -> None:
    cache = HeaderCache(folder)
    header = cache.read(tiny_gguf)
    (entry,) = folder.iterdir()
    entry.write_bytes(entry.read_bytes().replace(b"Tiny", b"Tidy"))
    assert cache.read(tiny_gguf).text("general.name") == "Tidy"
    os.utime(tiny_gguf, ns=(1, 1))
    assert cache.read(tiny_gguf) == header


def test_a_file_replaced_by_another_of_its_size_and_time_is_read_anew(tiny_gguf: Path, folder: Path) -> None:
    cache, status = HeaderCache(folder), tiny_gguf.stat()
    cache.read(tiny_gguf)
    other = tiny_gguf.with_name("other")
    other.write_bytes(tiny_gguf.read_bytes().replace(b"Tiny", b"Tidy"))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(tiny_gguf)
    assert cache.read(tiny_gguf).text("general.name") == "Tidy"


@pytest.mark.parametrize("damage", [b"", b"garbage", b"[" * 50_000, b'{"format":0}', b"\xff", b"null"])
def test_a_damaged_or_older_entry_is_ignored_and_written_anew(tiny_gguf: Path, folder: Path, damage: bytes) -> None:
    cache = HeaderCache(folder)
    header = cache.read(tiny_gguf)
    (entry,) = folder.iterdir()
    entry.write_bytes(damage)
    assert cache.read(tiny_gguf) == header
    assert entry.read_bytes() == encode_header(header)


def test_headers_of_blobs_are_known_by_digest(tiny_gguf: Path, tmp_path: Path, folder: Path) -> None:
    cache = HeaderCache(folder)
    cache.read(tiny_gguf, "sha256:" + "0" * 64)
    moved = tiny_gguf.rename(tmp_path / "moved.gguf")
    moved.write_bytes(b"no longer a GGUF")
    assert cache.read(moved, "sha256:" + "0" * 64).text("general.name") == "Tiny"


def test_a_file_that_is_gone_is_not_found_in_the_cache(tiny_gguf: Path, folder: Path) -> None:
    cache = HeaderCache(folder)
    cache.read(tiny_gguf, "sha256:" + "0" * 64)
    tiny_gguf.unlink()
    with pytest.raises(NotFound):
        cache.read(tiny_gguf, "sha256:" + "0" * 64)


def test_only_the_newest_entries_are_kept(tmp_path: Path, folder: Path) -> None:
    cache = HeaderCache(folder, max_entries=3)
    for number in range(5):
        path = tmp_path / f"{number}.gguf"
        path.write_bytes(small_model().file(96 + 128))
        cache.read(path, f"sha256:{number}")
        newest = max(folder.iterdir(), key=lambda entry: entry.name)
        os.utime(newest, ns=(number * 10**9, number * 10**9))
    assert sorted(entry.name.partition("-")[2] for entry in folder.iterdir()) == ["2.json", "3.json", "4.json"]


def test_a_cache_that_cannot_be_written_only_costs_time(tiny_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert HeaderCache(tmp_path / "file").read(tiny_gguf).text("general.name") == "Tiny"


@pytest.mark.parametrize(("name", "error"), [("missing.gguf", NotFound), (".", Unreadable), ("nul\0", Unreadable)])
def test_what_is_no_file_is_said_so(tmp_path: Path, folder: Path, name: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        HeaderCache(folder).read(tmp_path / name)
    assert getattr(caught.value, "hint", None)


def test_reading_again_is_many_times_faster(smollm_gguf: Path, folder: Path) -> None:
    cache = HeaderCache(folder)
    header = cache.read(smollm_gguf)

    def best_of(read: object, times: int) -> float:
        assert callable(read)
        elapsed = []
        for _ in range(times):
            started = time.perf_counter()
            assert read() == header
            elapsed.append(time.perf_counter() - started)
        return min(elapsed)

    assert best_of(lambda: cache.read(smollm_gguf), 10) * 4 < best_of(lambda: read_file_header(smollm_gguf), 3)
