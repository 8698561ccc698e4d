"""Pictures that go along with a question: what is one, and what can be said of it without decoding it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from kdmgr.errors import NotFound, StorageFailed, Unreadable
from kdmgr.units import format_bytes

MAX_BYTES = 20 << 20
"""Larger ones are refused: as text in a request they take a third more, and models scale them down anyway."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file. The size in pixels is None where its header does not tell."""

    path: str
    content: bytes
    kind: str
    """"PNG", "JPEG", "GIF" or "WebP"."""
    size: tuple[int, int] | None

    @property
    def words(self) -> str:
        """`cat.png · PNG 640×480 · 120.0 KiB`."""
        pixels = f" {self.size[0]}×{self.size[1]}" if self.size else ""
        return f"{Path(self.path).name} · {self.kind}{pixels} · {format_bytes(len(self.content))}"


def looks_like_image(text: str) -> str | None:
    """The path that `text` is, where it is one of an image: as typed, quoted, or dragged into a terminal."""
    path = text.strip().strip("'\"").removeprefix("file://").replace("\\ ", " ")
    if "\n" in path or not path.lower().endswith(SUFFIXES):
        return None
    return str(Path(path).expanduser().absolute())


def read_picture(path: str) -> Picture:
    """The file, checked. Raises `NotFound`, `Unreadable` for what is no picture, `StorageFailed` for a read error."""
    file = Path(path)
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise Unreadable(f"{path} has {format_bytes(size)}", hint=f"up to {format_bytes(MAX_BYTES)} can be sent")
        content = file.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {error.strerror or error}") from error
    kind, pixels = _recognise(content)
    if kind is None:
        raise Unreadable(f"{path} is no picture that models take", hint="PNG, JPEG, GIF and WebP are")
    return Picture(path, content, kind, pixels)


def _recognise(content: bytes) -> tuple[str | None, tuple[int, int] | None]:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", struct.unpack(">II", content[16:24]) if len(content) >= 24 else None
    if content[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF", struct.unpack("<HH", content[6:10]) if len(content) >= 10 else None
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WebP", None
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG", _jpeg_size(content)
    return None, None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """From the first frame header (SOF): segments are a marker and a length, that length included."""
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None
