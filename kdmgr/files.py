"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: a temporary file in the same folder, synced, then renamed."""
    # One name for each process and thread, so that two never write to the same file.
    partial = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def rewrite(path: Path, content: bytes) -> None:
    """Replace a file of the user's: a link stays one, and the file keeps its permissions."""
    path = path.resolve()
    mode = path.stat().st_mode & 0o777 if path.exists() else None
    write_atomically(path, content)
    if mode is not None:
        path.chmod(mode)
