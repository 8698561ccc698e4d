"""What an image's first bytes tell: its kind, and its size in pixels. Nothing is decoded."""

from __future__ import annotations

import struct

Pixels = tuple[int, int]
"""Width and height."""


def recognise(content: bytes) -> tuple[str | None, Pixels | None]:
    """ "PNG", "JPEG", "GIF" or "WebP", None for anything else; the size is None where the header does not tell."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", struct.unpack(">II", content[16:24]) if len(content) >= 24 else None
    if content[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF", struct.unpack("<HH", content[6:10]) if len(content) >= 10 else None
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WebP", _webp_size(content)
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG", _jpeg_size(content)
    return None, None


def _jpeg_size(content: bytes) -> Pixels | None:
    """From the first frame header (SOF): segments are a marker and a length, that length included."""
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None


def _webp_size(content: bytes) -> Pixels | None:
    """From the first chunk (RFC 9649): extended and lossless files hold the size less one, 24 and 14 bits each."""
    chunk, body = content[12:16], content[20:30]
    if len(body) < 10:
        return None
    if chunk == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if chunk == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    return None
