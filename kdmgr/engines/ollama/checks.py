"""Values out of JSON that somebody else wrote: of the expected type, or None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

_MAX_COUNT = 1 << 63


def text(value: object) -> str | None:
    """A text with something in it. Half surrogate pairs, which no terminal can print, become U+FFFD."""
    if not isinstance(value, str) or not value:
        return None
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def count(value: object) -> int | None:
    """A whole number from 0 up, as 64 bits hold it."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < _MAX_COUNT else None


def seconds(value: object) -> float | None:
    """Seconds of a number of nanoseconds."""
    nanoseconds = count(value)
    return None if nanoseconds is None else nanoseconds / 1e9


def moment(value: object) -> datetime | None:
    """A time with its zone; None for Go's zero time, year 1, which stands for unknown."""
    if not isinstance(value, str):
        return None
    from datetime import datetime

    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None and parsed.year > 1 else None


def mapping(value: object) -> dict[str, Any]:
    """An object; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def strings(value: object) -> tuple[str, ...]:
    """The texts of a list; what is no text is left out."""
    return tuple(item for item in map(text, value) if item) if isinstance(value, list) else ()
