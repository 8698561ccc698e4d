"""The user's own students: a line added, replaced or removed, and every other left as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kdmgr.catalog.check import EntryError, check_entry
from kdmgr.catalog.load import MAX_USER_BYTES, USER_FILE
from kdmgr.catalog.user_file import read_line
from kdmgr.errors import NotFound, StorageFailed, UsageError
from kdmgr.files import rewrite

LOCK_WAIT_S = 5.0
_BOM = b"\xef\xbb\xbf"


def keep_student(folder: Path, entry: Mapping[str, Any], *, replace: bool = False, wait_s: float = LOCK_WAIT_S) -> Path:
    """Write `entry` into the file of `folder`, whose path is returned.

    Raises `UsageError` for an entry that breaks the schema or, without `replace`, an id that the file has;
    `StorageFailed` for a file that cannot be written, or that another kdmgr is at for longer than `wait_s`.
    """
    student_id = require_entry(entry)
    line = json.dumps(entry, ensure_ascii=False).encode()

    def change(lines: list[bytes]) -> list[bytes]:
        at = [number for number, old in enumerate(lines) if _id_of(old) == student_id]
        if not at:
            return [*lines, line]
        if not replace:
            raise UsageError(f"your students have a {student_id} already", hint="--yes replaces it, --id renames yours")
        lines[at[0]] = line
        return lines

    return _edit(folder, change, wait_s)


def require_entry(entry: Mapping[str, Any]) -> str:
    """The id of an entry; `UsageError` for one that breaks the schema."""
    try:
        return str(check_entry(entry)["id"])
    except EntryError as error:
        raise UsageError(f"that makes no entry: {error}", hint="see kdmgr students add --help") from error


def forget_student(folder: Path, student_id: str) -> Path:
    """Take the entry out of the file of `folder`; `NotFound` when it has none of this id."""

    def change(lines: list[bytes]) -> list[bytes]:
        kept = [line for line in lines if _id_of(line) != student_id]
        if len(kept) == len(lines):
            raise NotFound(f"none of your own students is called {student_id}", hint="kdmgr students lists all")
        return kept

    return _edit(folder, change)


def _id_of(line: bytes) -> str | None:
    """None for a line that cannot be used, which is nobody's to touch."""
    try:
        return read_line(line.removeprefix(_BOM)).id
    except EntryError:
        return None


def _edit(folder: Path, change: Callable[[list[bytes]], list[bytes]], wait_s: float = LOCK_WAIT_S) -> Path:
    """Change the file as one step, which no other kdmgr sees half of."""
    path = folder / USER_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(path, wait_s):
            lines = change(_read(path))
            content = b"\n".join([*lines, b""]) if lines else b""
            if len(content) > MAX_USER_BYTES:
                raise StorageFailed(f"{path} would be larger than {MAX_USER_BYTES >> 20} MiB", hint="remove some")
            rewrite(path, content)
    except OSError as error:
        raise StorageFailed(f"cannot write {path}: {error.strerror or error}") from error
    return path


def _read(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    if not path.is_file():
        raise StorageFailed(f"{path} is not a regular file", hint="move it away")
    lines = path.read_bytes().split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


@contextmanager
def _locked(path: Path, wait_s: float) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        with FileLock(path.with_name(".students.lock"), timeout=wait_s):
            yield
    except Timeout as error:
        raise StorageFailed(f"another kdmgr is changing {path}", hint="try again") from error
