"""Pictures that go along with a question: which files are some, and what is said of them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from urllib.parse import unquote

from kdmgr.errors import NotFound, StorageFailed, Unreadable
from kdmgr.history.chat_records import ImageRecord
from kdmgr.paths import expand_home
from kdmgr.services.image_headers import recognise
from kdmgr.units import format_bytes

MAX_BYTES = 20 << 20
"""Larger ones are refused: as text in a request they take a third more, and models scale them down anyway."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
_PASTED_CHARACTERS = 1 << 16
"""Longer texts are no list of paths."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file as it was read."""

    record: ImageRecord
    content: bytes


def describe_image(image: ImageRecord) -> str:
    """`cat.png · PNG 640×480 · 120.0 KiB`; the name alone where nobody wrote down more."""
    pixels = f"{image.width}×{image.height}" if image.width and image.height else ""
    size = format_bytes(image.size_bytes) if image.size_bytes is not None else ""
    facts = (Path(image.path).name, " ".join(filter(None, (image.kind, pixels))), size)
    return " · ".join(filter(None, facts))


def find_image_paths(text: str) -> tuple[str, ...]:
    """The image files that `text` names, when it names nothing else: as a path, or as a terminal pastes what is
    dragged onto it (quoted, with escaped spaces, as a file:// URL, several of them).
    """
    if len(text) > _PASTED_CHARACTERS or "\0" in text:
        return ()
    whole = [text.strip()] if "\n" not in text.strip() else []
    for words in (whole, _split(text)):
        paths = [_read_path(word) for word in words]
        if paths and all(path.lower().endswith(SUFFIXES) and _is_there(path) for path in paths):
            return tuple(paths)
    return ()


def read_picture(path: str) -> Picture:
    """The file, checked. Raises `NotFound`, `Unreadable` for what is no picture, `StorageFailed` for a read error."""
    try:
        content = _read_content(Path(path))
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise NotFound(f"{path!r} is no path: {error}") from None
    kind, pixels = recognise(content)
    if kind is None:
        raise Unreadable(f"{path} is no picture that models take", hint="PNG, JPEG, GIF and WebP are")
    width, height = pixels or (None, None)
    return Picture(ImageRecord(path, kind, len(content), width, height, sha256(content).hexdigest()), content)


def _read_content(file: Path) -> bytes:
    found = file.stat()
    if not S_ISREG(found.st_mode):
        # A pipe would be waited for.
        raise Unreadable(f"{file} is a folder or a device, not a picture", hint="PNG, JPEG, GIF and WebP are")
    if found.st_size > MAX_BYTES:
        size, most = format_bytes(found.st_size), format_bytes(MAX_BYTES)
        raise Unreadable(f"{file} is too large: {size}", hint=f"up to {most} can be sent")
    return file.read_bytes()


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        # An apostrophe in a text quotes nothing.
        return []


def _read_path(word: str) -> str:
    if word.startswith("file://"):
        host, slash, rest = word.removeprefix("file://").partition("/")
        word = unquote(slash + rest) if host in ("", "localhost") else word
    return str(expand_home(word).absolute())


def _is_there(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False
