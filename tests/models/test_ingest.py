"""Copying into the store: all or nothing, whatever happens half-way."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from kdmgr.errors import Interrupted, KdmgrError, NotFound, StorageFailed, Unreadable
from kdmgr.models.ingest import ingest_file
from kdmgr.models.own_store import OwnStore
from kdmgr.models.progress import Progress
from kdmgr.models.source_file import read_state
from kdmgr.models.store import blob_path
from tests.models.storing import MIB, add_model, files_below, ignore


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big.gguf"
    path.write_bytes(os.urandom(MIB) * 9)
    return path


def test_a_copy_is_its_source_and_progress_ends_with_everything(store: OwnStore, big: Path) -> None:
    seen: list[Progress] = []
    with store.locked():
        layer = ingest_file(store, big, "model", seen.append)
        copied = blob_path(store.blobs, layer.digest).read_bytes()
    assert copied == big.read_bytes()
    assert layer.digest == f"sha256:{hashlib.sha256(copied).hexdigest()}"
    assert [(p.completed, p.total) for p in seen] == [(4 * MIB, 9 * MIB), (8 * MIB, 9 * MIB), (9 * MIB, 9 * MIB)]


def test_memory_stays_bounded(store: OwnStore, tmp_path: Path) -> None:
    sparse = tmp_path / "sparse.gguf"
    with sparse.open("wb") as file:
        file.truncate(200 * MIB)
    tracemalloc.start()
    try:
        with store.locked():
            ingest_file(store, sparse, "model", ignore)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("after", [0, 5 * MIB, 9 * MIB])
def test_cancelling_at_any_time_leaves_nothing_behind(store: OwnStore, big: Path, after: int) -> None:
    def cancel(progress: Progress) -> None:
        if progress.completed >= after:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted), store.locked():
        ingest_file(store, big, "model", cancel)
    assert files_below(store.root) == []


def test_a_blob_that_no_manifest_came_to_need_is_removed(store: OwnStore, big: Path) -> None:
    with pytest.raises(KeyboardInterrupt), store.locked():
        ingest_file(store, big, "model", ignore)
        store.add_layer("system", b"Be.")
        raise KeyboardInterrupt
    assert files_below(store.root) == []


def test_what_is_there_already_is_only_hashed(store: OwnStore, big: Path) -> None:
    blob = add_model(store, big, "first").model_path
    before, seen = blob.stat(), list[Progress]()
    full = OwnStore(store.root, free=lambda _folder: 0)
    with full.locked():
        ingest_file(full, big, "model", seen.append)
    assert {progress.status for progress in seen} == {"hashing"}
    assert blob.stat().st_ino == before.st_ino


def test_another_file_of_the_same_length_is_copied(store: OwnStore, tmp_path: Path) -> None:
    first, second = tmp_path / "a.gguf", tmp_path / "b.gguf"
    first.write_bytes(b"a" * 1000)
    second.write_bytes(b"b" * 1000)
    one, two = add_model(store, first, "a"), add_model(store, second, "b")
    assert one.model_path.read_bytes() == first.read_bytes()
    assert two.model_path.read_bytes() == second.read_bytes()


def test_a_damaged_blob_is_replaced(store: OwnStore, big: Path) -> None:
    blob = add_model(store, big, "a").model_path
    blob.write_bytes(b"cut")
    add_model(store, big, "b")
    assert blob.read_bytes() == big.read_bytes()


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, 5 * MIB)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"x")
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [append, shrink, rewrite])
def test_a_file_that_changes_meanwhile_is_refused(store: OwnStore, big: Path, change: Callable[[Path], None]) -> None:
    with pytest.raises(Unreadable, match="changed") as caught, store.locked():
        ingest_file(store, big, "model", lambda _progress: change(big))
    assert caught.value.hint
    assert files_below(store.root) == []


def test_a_file_that_changed_since_it_was_judged_is_refused(store: OwnStore, big: Path) -> None:
    state = read_state(big)
    append(big)
    with pytest.raises(Unreadable, match="changed"), store.locked():
        ingest_file(store, big, "model", ignore, since=state)
    assert files_below(store.root) == []


def test_a_disk_without_room_is_seen_before_a_byte_is_written(tmp_path: Path, big: Path) -> None:
    store = OwnStore(tmp_path / "store", free=lambda _folder: 10 * MIB)
    seen: list[Progress] = []
    with pytest.raises(StorageFailed, match=r"9\.0 MiB are needed at .*, 10\.0 MiB are free"), store.locked():
        ingest_file(store, big, "model", seen.append)
    assert seen == []
    assert files_below(store.root) == []


class FullDisk(OwnStore):
    """Every copy goes to the device that is always full."""

    def open_partial(self) -> tuple[int, Path]:
        handle, partial = super().open_partial()
        os.close(handle)
        return os.open("/dev/full", os.O_WRONLY), partial


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
def test_a_full_disk_is_said_so_and_leaves_nothing_behind(tmp_path: Path, big: Path) -> None:
    store = FullDisk(tmp_path / "store")
    with pytest.raises(StorageFailed, match=os.strerror(errno.ENOSPC)) as caught, store.locked():
        ingest_file(store, big, "model", ignore)
    assert "kdmgr rm" in (caught.value.hint or "")
    assert files_below(store.root) == []


_FILL = """
import resource, signal, sys
from pathlib import Path
from kdmgr.errors import StorageFailed
from kdmgr.models.ingest import ingest_file
from kdmgr.models.own_store import OwnStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5 << 20, 5 << 20))
store = OwnStore(Path(sys.argv[1]))
try:
    with store.locked():
        ingest_file(store, Path(sys.argv[2]), "model", lambda progress: None)
except StorageFailed as error:
    print(error.message)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX; the disk check is tested everywhere")
def test_a_disk_that_fills_up_half_way_leaves_nothing_behind(store: OwnStore, big: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _FILL, str(store.root), str(big)], capture_output=True, text=True, check=True
    )
    assert os.strerror(errno.EFBIG) in ran.stdout
    assert files_below(store.root) == []


_BE_KILLED = """
import sys
from pathlib import Path
from kdmgr.models.ingest import ingest_file
from kdmgr.models.own_store import OwnStore
store = OwnStore(Path(sys.argv[1]))
def stop(progress):
    print("copying", flush=True)
    sys.stdin.read()
with store.locked():
    ingest_file(store, Path(sys.argv[2]), "model", stop)
"""


def test_what_a_killed_import_left_is_removed_at_the_next(store: OwnStore, big: Path, tiny_gguf: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _BE_KILLED, str(store.root), str(big)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "copying\n"
    process.kill()
    process.communicate()
    assert any(name.startswith(".import-") for name in files_below(store.blobs))
    model = add_model(store, tiny_gguf, "tiny")
    expected = {model.model_path.name, model.manifest.config.digest.replace(":", "-"), "latest"}
    assert set(files_below(store.root)) == expected


@pytest.mark.parametrize(("name", "error"), [("missing.gguf", NotFound), (".", Unreadable), ("nul\0", Unreadable)])
def test_what_is_no_file_is_said_so(store: OwnStore, tmp_path: Path, name: str, error: type[KdmgrError]) -> None:
    with pytest.raises(error) as caught, store.locked():
        ingest_file(store, tmp_path / name, "model", ignore)
    assert caught.value.hint
    assert files_below(store.root) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_block(store: OwnStore, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    signal.alarm(5)
    try:
        with pytest.raises(Unreadable, match="not a regular file"), store.locked():
            ingest_file(store, pipe, "model", ignore)
    finally:
        signal.alarm(0)
