"""Digests are remembered until a file is written to, and never believed against what is on the disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from time import time_ns

import pytest

from kdmgr.errors import Interrupted, NotFound, Unreadable
from kdmgr.models.digests import DigestMemory, blob_digest
from kdmgr.models.hashing import hash_file
from kdmgr.models.progress import Progress
from tests.models.storing import MIB, ignore

HOUR_NS = 3_600_000_000_000


def later() -> int:
    return time_ns() + HOUR_NS


@pytest.fixture
def memory(tmp_path: Path) -> DigestMemory:
    return DigestMemory(tmp_path / "digests", now_ns=later)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(os.urandom(3 * MIB + 17))
    return path


class Reports:
    """Counts what was read."""

    def __init__(self) -> None:
        self.seen: list[Progress] = []

    def __call__(self, progress: Progress) -> None:
        self.seen.append(progress)


def digest_of(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 5 * MIB])
def test_a_file_of_any_length_has_its_digest(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(os.urandom(size))
    digest, state = hash_file(path, ignore)
    assert (digest, state.size) == (digest_of(path), size)


def test_what_was_hashed_is_not_read_again(memory: DigestMemory, file: Path) -> None:
    first, second = Reports(), Reports()
    assert memory.hash(file, first) == memory.hash(file, second) == digest_of(file)
    assert first.seen[-1].completed == file.stat().st_size
    assert second.seen == []


def test_a_file_that_was_written_to_is_hashed_again_also_with_its_old_times(memory: DigestMemory, file: Path) -> None:
    before = file.stat()
    memory.hash(file, ignore)
    with file.open("r+b") as target:
        target.write(b"other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert memory.find(file) is None
    assert memory.hash(file, ignore) == digest_of(file)


def test_another_file_in_its_place_is_hashed_again(memory: DigestMemory, file: Path, tmp_path: Path) -> None:
    memory.hash(file, ignore)
    other = tmp_path / "other"
    other.write_bytes(os.urandom(file.stat().st_size))
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)
    assert memory.hash(file, ignore) == digest_of(file)


def test_a_file_written_just_now_is_not_remembered(tmp_path: Path, file: Path) -> None:
    memory = DigestMemory(tmp_path / "digests")
    memory.hash(file, ignore)
    assert memory.find(file) is None


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b'{"identity":3}', b"\xff\x00" * 99, b"[" * 60000])
def test_a_damaged_memory_only_costs_time(memory: DigestMemory, file: Path, tmp_path: Path, damage: bytes) -> None:
    memory.hash(file, ignore)
    (entry,) = (tmp_path / "digests").iterdir()
    entry.write_bytes(damage)
    assert memory.find(file) is None
    assert memory.hash(file, ignore) == digest_of(file)
    assert memory.find(file) == digest_of(file)


def test_a_memory_that_cannot_be_written_only_costs_time(tmp_path: Path, file: Path) -> None:
    (tmp_path / "digests").write_text("in the way")
    memory = DigestMemory(tmp_path / "digests", now_ns=later)
    assert memory.hash(file, ignore) == digest_of(file)
    memory.forget(file)


def test_it_forgets_the_oldest(tmp_path: Path, file: Path) -> None:
    memory = DigestMemory(tmp_path / "digests", max_entries=2, now_ns=later)
    for number in range(4):
        path = tmp_path / f"{number}.gguf"
        path.write_bytes(bytes([number]))
        memory.hash(path, ignore)
    assert len(list((tmp_path / "digests").iterdir())) == 2
    assert memory.find(path) is not None


def test_a_file_that_grows_or_shrinks_meanwhile_is_refused(memory: DigestMemory, file: Path) -> None:
    for size in (10 * MIB, MIB // 2):

        def change(progress: Progress, size: int = size) -> None:
            os.truncate(file, size)

        with pytest.raises(Unreadable, match="changed while it was read"):
            memory.hash(file, change)
    assert memory.hash(file, ignore) == digest_of(file)


def test_cancelling_stops_and_remembers_nothing(memory: DigestMemory, file: Path) -> None:
    def cancel(progress: Progress) -> None:
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        memory.hash(file, cancel)
    assert memory.find(file) is None


def test_a_missing_file_is_said_to_be_missing(memory: DigestMemory, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        memory.hash(tmp_path / "none.gguf", ignore)


def test_a_blob_is_known_by_its_name(tmp_path: Path, file: Path) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (blobs / "sha256-junk").write_bytes(b"")
    assert blob_digest(file, [tmp_path / "none", blobs]) is None
    digest = digest_of(file)
    (blobs / digest.replace(":", "-")).hardlink_to(file)
    assert blob_digest(file, [blobs]) == digest
    link = tmp_path / "link.gguf"
    link.symlink_to(file)
    assert blob_digest(link, [blobs]) == digest
