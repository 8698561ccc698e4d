"""The user's students.jsonl: one line changed, every other byte kept, and never half a file."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from filelock import FileLock

from kdmgr.catalog.load import USER_FILE, load_catalog
from kdmgr.errors import NotFound, StorageFailed, UsageError
from kdmgr.services.own_students import forget_student, keep_student

ENTRY = {"id": "tiny-1b", "name": "Tiny 1B", "teacher": {"name": "Big"}}
BEFORE = (
    b'\xef\xbb\xbf{"id": "first", "name": "F", "teacher": {"name": "T"}}\r\n'
    b"# a remark of the user's, which is no JSON\n"
    b'\n{"id": "tiny-1b", "name": "broken: no teacher"}\n'
    b'  {"id": "last",   "name": "L", "teacher": {"name": "T"}}'
)


def names(folder: Path) -> set[str]:
    return {student.name for student in load_catalog(folder) if student.from_user}


def test_the_first_entry_makes_the_file(tmp_path: Path) -> None:
    path = keep_student(tmp_path / "new", ENTRY)
    assert path == tmp_path / "new" / USER_FILE
    assert path.read_bytes().endswith(b"}\n")
    assert names(tmp_path / "new") == {"Tiny 1B"}


def test_other_lines_are_kept_to_the_byte(tmp_path: Path) -> None:
    (tmp_path / USER_FILE).write_bytes(BEFORE)
    keep_student(tmp_path, ENTRY)
    after = (tmp_path / USER_FILE).read_bytes()
    assert after.startswith(BEFORE + b"\n")
    assert names(tmp_path) == {"F", "L", "Tiny 1B"}
    forget_student(tmp_path, "tiny-1b")
    assert (tmp_path / USER_FILE).read_bytes() == BEFORE + b"\n", "the broken line of that id is nobody's to remove"


def test_an_entry_is_replaced_in_its_place_and_only_when_asked(tmp_path: Path) -> None:
    for student_id in ("a", "b", "c"):
        keep_student(tmp_path, {**ENTRY, "id": student_id})
    with pytest.raises(UsageError, match="have a b already"):
        keep_student(tmp_path, {**ENTRY, "id": "b"})
    keep_student(tmp_path, {**ENTRY, "id": "b", "name": "Übung"}, replace=True)
    lines = (tmp_path / USER_FILE).read_text(encoding="utf-8").splitlines()
    assert ['"Übung"' in line for line in lines] == [False, True, False]


def test_what_is_no_entry_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="id is '"):
        keep_student(tmp_path, {**ENTRY, "id": "../x"})
    assert not (tmp_path / USER_FILE).exists()


def test_only_what_is_there_can_be_removed(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="called qwen3-8b"):
        forget_student(tmp_path, "qwen3-8b")
    keep_student(tmp_path, ENTRY)
    forget_student(tmp_path, "tiny-1b")
    assert (tmp_path / USER_FILE).read_bytes() == b""


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=keep_student, args=(tmp_path, {**ENTRY, "id": f"s{at}", "name": f"S{at}"}))
        for at in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(tmp_path) == {f"S{at}" for at in range(8)}


def test_a_link_stays_one_and_permissions_stay(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere.jsonl"
    real.write_bytes(b"")
    real.chmod(0o600)
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / USER_FILE).symlink_to(real)
    keep_student(folder, ENTRY)
    assert (folder / USER_FILE).is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert names(folder) == {"Tiny 1B"}


def test_what_cannot_be_written_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / USER_FILE).mkdir()
    with pytest.raises(StorageFailed, match="not a regular file"):
        keep_student(tmp_path, ENTRY)
    full = tmp_path / "full"
    full.mkdir()
    (full / USER_FILE).write_bytes(b" " * (4 << 20))
    with pytest.raises(StorageFailed, match="larger than 4 MiB"):
        keep_student(full, ENTRY)
    assert (full / USER_FILE).stat().st_size == 4 << 20
    assert sorted(path.name for path in full.iterdir() if path.suffix == ".tmp") == []


def test_another_writer_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".students.lock"), pytest.raises(StorageFailed, match="another kdmgr is changing"):
        keep_student(tmp_path, ENTRY, wait_s=0.1)
