"""Sizes, counts and rates, to text and back. Bytes are binary (MiB, GiB) and always carry their unit."""

from __future__ import annotations

import re

from kdmgr.errors import UsageError

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)(b?)\s*", re.IGNORECASE)
_COUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([km]?)\s*", re.IGNORECASE)
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
MAX_SECONDS = 100 * 365 * 86400
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
# C0 and C1 control characters, and the marks that reorder the text around them: none may reach a terminal.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def format_bytes(size: int | None) -> str:
    """`5.61 GiB`, `45.0 MiB`, `512 B`; `?` for an unknown size."""
    if size is None:
        return "?"
    for unit, name, digits in ((TIB, "TiB", 2), (GIB, "GiB", 2), (MIB, "MiB", 1), (KIB, "KiB", 1)):
        if abs(size) >= unit:
            return f"{size / unit:.{digits}f} {name}"
    return f"{size} B"


def parse_bytes(text: str) -> int:
    """Bytes of `8GiB`, `8G`, `512MiB` (binary) or `8GB` (decimal). A bare number is refused: no unit, no size."""
    match = _SIZE.fullmatch(text)
    if not match or not (match[2] or match[4]):
        raise UsageError(f"not a size: {text!r}", hint="give a number with a unit, like 8GiB or 512MiB")
    decimal = match[4] and match[2] and not match[3]
    return int(float(match[1]) * (1000 if decimal else 1024) ** _POWERS[match[2].lower()])


def format_count(count: int | None) -> str:
    """A context length: `32k`, `4096`; `?` when unknown. Only whole multiples of 1024 from 8k up are shortened."""
    if count is None:
        return "?"
    return f"{count // KIB}k" if count >= 8 * KIB and count % KIB == 0 else str(count)


def parse_count(text: str) -> int:
    """Tokens of `8k` (8192), `0.5m` or `4096`."""
    match = _COUNT.fullmatch(text)
    if not match:
        raise UsageError(f"not a number of tokens: {text!r}", hint="give a number, like 8192 or 8k")
    count = int(float(match[1]) * 1024 ** _POWERS[match[2].lower()])
    if not 1 <= count <= 1 << 30:
        raise UsageError(f"a context of {text.strip()} tokens is out of range", hint="give a number from 1 to 1024m")
    return count


def format_parameters(count: int | None) -> str:
    """`268M`, `7.6B`, `671B`; `?` when unknown."""
    if count is None:
        return "?"
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= unit:
            value = count / unit
            return f"{value:.0f}{name}" if value >= 99.95 else f"{value:.1f}{name}"
    return str(count)


def format_rate(tok_s: float | None) -> str:
    """`41.7 tok/s`; `? tok/s` when unknown."""
    return "? tok/s" if tok_s is None else f"{tok_s:.1f} tok/s"


def format_speed(bytes_s: float | None) -> str:
    """A transfer speed or a memory bandwidth: `1.22 GiB/s`."""
    return "?" if bytes_s is None else f"{format_bytes(int(bytes_s))}/s"


def format_duration(seconds: float | None) -> str:
    """`820 ms`, `4.2 s`, `3:07`, `1:02:33`; `?` when unknown."""
    if seconds is None:
        return "?"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def parse_duration(text: str) -> int:
    """Seconds of `30s`, `90m`, `1h30m`, `2d` or `1w`. A bare number is refused: no unit, no time."""
    wanted = "".join(text.split())
    parts = list(_TIME.finditer(wanted))
    if not parts or "".join(part[0] for part in parts) != wanted:
        raise UsageError(f"not a time: {text!r}", hint="give a number with a unit, like 30s, 90m, 1h30m or 2d")
    seconds = sum(float(part[1]) * _SECONDS[part[2].lower()] for part in parts)
    if seconds > MAX_SECONDS:
        raise UsageError(f"{text} is more than a hundred years", hint="up to 36500d")
    return round(seconds)


def printable(text: str) -> str:
    """`text` with everything a terminal could obey replaced by U+FFFD; newlines and tabs stay."""
    return _UNSAFE.sub("\ufffd", text)
