"""Files that are somebody else's: opened only when they are files, and watched for changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from kdmgr.errors import NotFound, Unreadable


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells that a file was written to. `size` in bytes, `modified` in nanoseconds."""

    size: int
    modified: int


@contextmanager
def open_source(path: Path) -> Iterator[FileIO]:
    """Open a regular file, unbuffered. `NotFound` or `Unreadable` for anything else.

    Pipes and devices are refused before they are opened: they could block for ever, or never end.
    """
    try:
        mode = path.stat().st_mode
        if not S_ISREG(mode):
            what = "a folder" if S_ISDIR(mode) else "not a regular file"
            raise Unreadable(f"{path} is {what}", hint="name a .gguf file")
        file = path.open("rb", buffering=0)
    except (OSError, ValueError) as error:
        raise explain(path, error) from error
    with file:
        yield file


def read_state(path: Path) -> FileState:
    """The state of the file at `path`; raises as `open_source` does."""
    with open_source(path) as file:
        return state_of(file)


def state_of(file: FileIO) -> FileState:
    """The state of an open file."""
    status = os.fstat(file.fileno())
    return FileState(status.st_size, status.st_mtime_ns)


def explain(path: Path, error: Exception) -> NotFound | Unreadable:
    """What an error of opening or reading `path` means. A `ValueError` is a NUL in the path."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFound(f"no such file: {path}", hint=f"look at what is there: ls {path.parent}")
    reason = error.strerror if isinstance(error, OSError) else None
    return Unreadable(f"cannot read {path}: {reason or error}", hint="is it a file that you may read?")
