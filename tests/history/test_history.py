"""The history: several writers, damage, other versions, bounds."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kdmgr.errors import StorageFailed
from kdmgr.history.database import MIGRATIONS
from kdmgr.history.history import MAX_ROWS, History
from kdmgr.history.records import LoadRecord, SpeedRecord

MIB = 1 << 20
LOAD = LoadRecord(
    at="2026-11-24T14:00:00+00:00", machine="here", engine="ollama", engine_version="0.24.0", model="m:1b",
    digest="d", n_ctx=4096, predicted_host=220 * MIB, predicted_device=0, size=200 * MIB, size_vram=0,
    process_host=260 * MIB, process_device=None, load_s=1.5,
)  # fmt: skip
SPEED = SpeedRecord("2026-11-24T14:00:00+00:00", "here", "ollama", None, "m:1b", None, 4096, 10, 20, 41.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "history.db"


def test_what_is_written_comes_back_newest_first(path: Path) -> None:
    history = History(path)
    assert history.loads() == []
    assert not path.exists()
    history.add_load(LOAD)
    history.add_load(replace(LOAD, model="other:1b", machine="there"))
    history.add_speed(SPEED)
    assert [load.model for load in history.loads()] == ["other:1b", "m:1b"]
    assert history.loads("M:1B") == [LOAD]
    assert history.loads(machine="here") == [LOAD]
    assert history.loads("none:here") == []
    assert history.speeds() == [SPEED]


def test_errors_and_overheads_follow_from_the_figures() -> None:
    assert LOAD.error == pytest.approx(0.1)
    assert (LOAD.host_overhead, LOAD.device_overhead) == (40 * MIB, None)
    on_gpu = replace(LOAD, predicted_host=20 * MIB, predicted_device=200 * MIB, size_vram=190 * MIB)
    on_gpu = replace(on_gpu, process_device=500 * MIB)
    assert (on_gpu.host_overhead, on_gpu.device_overhead) == (None, 300 * MIB)
    assert replace(on_gpu, predicted_device=400 * MIB).device_overhead is None
    assert replace(LOAD, predicted_host=300 * MIB).host_overhead is None
    assert replace(LOAD, size=None).error is None
    assert replace(LOAD, predicted_device=None).error is None
    assert replace(LOAD, process_host=None).host_overhead is None


def test_a_damaged_file_is_moved_aside_and_said(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database at all, but a text of some length" * 40)
    notes: list[str] = []
    history = History(path, note=notes.append)
    assert history.loads() == []
    history.add_load(LOAD)
    assert history.loads() == [LOAD]
    (aside,) = path.parent.glob("history.db.damaged-*")
    assert aside.read_bytes().startswith(b"this is no database")
    assert len(notes) == 1
    assert str(aside) in notes[0]


def test_damage_in_the_middle_is_moved_aside_too(path: Path) -> None:
    notes: list[str] = []
    history = History(path, note=notes.append)
    for _ in range(200):
        history.add_load(LOAD)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    assert history.loads() == []
    assert len(notes) == 1
    history.add_load(LOAD)
    assert history.loads() == [LOAD]


def test_a_newer_version_is_left_alone(path: Path) -> None:
    History(path).add_load(LOAD)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageFailed, match="newer kdmgr"):
        History(path).add_load(LOAD)
    assert not list(path.parent.glob("*.damaged-*"))


def test_an_empty_file_and_an_old_version_are_brought_up(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    History(path).add_load(LOAD)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_folder_that_cannot_be_made_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(StorageFailed):
        History(tmp_path / "data" / "history.db").add_load(LOAD)


def test_two_processes_write_at_once(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from kdmgr.history.history import History\n"
        "from tests.history.test_history import SPEED\n"
        "for _ in range(40): History(Path(sys.argv[1])).add_speed(SPEED)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(path)]) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len(History(path).speeds(limit=1000)) == 120


def test_old_rows_go(path: Path) -> None:
    history = History(path)
    history.add_load(LOAD)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE loads SET id = ?", (MAX_ROWS * 2,))
    connection.close()
    history.add_load(replace(LOAD, model="new:1b"))
    assert [load.model for load in history.loads()] == ["new:1b", "m:1b"]
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE loads SET id = id - ?", (MAX_ROWS * 2 - 1,))
        connection.execute(
            "INSERT INTO loads (id, at, machine, engine, model) VALUES (?, '', '', '', 'x')", (MAX_ROWS,)
        )
    connection.close()
    history.add_load(LOAD)
    assert [load.model for load in history.loads()] == ["m:1b", "x", "new:1b"]
