"""Changing config.toml, with all that the user wrote around the change left as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.config import CONFIG_FILE, Settings, load_settings, parse_settings
from kdmgr.errors import StorageFailed

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

LOCK_WAIT_S = 5.0


def edit_config(folder: Path, change: Callable[[TOMLDocument, Settings], None]) -> None:
    """Change the file as one step: read, change, check that it still means something, replace."""
    import tomlkit

    from kdmgr.files import write_atomically

    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A link, as people who keep their settings elsewhere have, stays one.
        path = (folder / CONFIG_FILE).resolve()
        with _locked(folder):
            settings = load_settings(folder)
            before = path.read_bytes().decode() if path.exists() else ""
            document = tomlkit.parse(before)
            change(document, settings)
            after = tomlkit.dumps(document)
            parse_settings(after, path)
            if after != before:
                _write(path, after, write_atomically)
    except OSError as error:
        raise StorageFailed(f"cannot write {folder / CONFIG_FILE}: {error.strerror or error}") from error


def _write(path: Path, text: str, write: Callable[[Path, bytes], None]) -> None:
    """Replace the file, which keeps its permissions."""
    mode = path.stat().st_mode & 0o777 if path.exists() else None
    write(path, text.encode())
    if mode is not None:
        path.chmod(mode)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / ".config.lock", timeout=LOCK_WAIT_S):
            yield
    except Timeout as error:
        raise StorageFailed(f"another kdmgr is changing {folder / CONFIG_FILE}", hint="try again") from error


def put_value(document: TOMLDocument, key: str, value: str | int) -> None:
    """Set a top-level key: in place, else after the others, so that the comment above the first table stays there."""
    if key in document:
        document[key] = value
        return
    plain = [known for known, found in document.items() if not isinstance(found, Mapping)]
    if plain:
        document._insert_after(plain[-1], key, value)
    elif document:
        document._insert_at(0, key, value)
    else:
        document.add(key, value)
