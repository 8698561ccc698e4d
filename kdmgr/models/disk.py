"""What disks answer, in words; and renames that last."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kdmgr.errors import StorageFailed


@contextmanager
def storage_errors(root: Path) -> Iterator[None]:
    """Turn an `OSError` of writing below `root` into `StorageFailed`, one line with a hint."""
    try:
        yield
    except OSError as error:
        raise storage_failed(root, error) from error


def storage_failed(root: Path, error: OSError) -> StorageFailed:
    """What `error` means to somebody who wanted to write below `root`."""
    return StorageFailed(
        f"cannot write below {root}: {error.strerror or error}",
        hint="make room there (kdmgr rm), or set KDMGR_DATA_DIR to a folder with room that can be written",
    )


def free_bytes(folder: Path) -> int:
    """Bytes that an ordinary user can still write to the disk of `folder`."""
    import shutil

    return shutil.disk_usage(folder).free


def sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can sync a folder."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
