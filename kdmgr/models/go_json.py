"""JSON byte for byte as Go's encoder writes it, so that equal content has equal digests in Ollama's store."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping

# Go's Encoder escapes what HTML or JavaScript could trip over (encoding/json, SetEscapeHTML).
_ESCAPES = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


def encode_json(value: object) -> bytes:
    """`value` on one line with a line end; keys keep their order. Numbers must be whole, see `encode_map`."""
    return _finish(_dumps(value))


def encode_map(values: Mapping[str, object]) -> bytes:
    """A Go map: keys sorted, floats as Go prints a float32. `ValueError` for a number that JSON lacks."""
    entries = (f"{_dumps(key)}:{_encode_value(values[key])}" for key in sorted(values))
    return _finish("{" + ",".join(entries) + "}")


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _finish(text: str) -> bytes:
    return (text.translate(_ESCAPES) + "\n").encode(errors="replace")


def _encode_value(value: object) -> str:
    return _encode_float(value) if isinstance(value, float) else _dumps(value)


def _encode_float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"JSON has no number {value}")
    from decimal import Decimal

    shortest = _shortest_float32(value)
    # Go writes no exponent between 1e-6 and 1e21, and no point after whole numbers.
    if value and not 1e-6 <= abs(value) < 1e21:
        mantissa, _, exponent = f"{Decimal(shortest):e}".partition("e")
        digits = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{digits}e{exponent[0]}{exponent[1:].lstrip('0')}"
    text = f"{Decimal(shortest):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _shortest_float32(value: float) -> str:
    """The fewest digits that are read back as the same float32. `ValueError` for what overflows one."""
    try:
        exact = struct.pack("f", value)
    except OverflowError as error:
        raise ValueError(f"no float32 holds {value}") from error
    (nearest,) = struct.unpack("f", exact)
    texts = (f"{nearest:.{digits}g}" for digits in range(1, 10))
    return next(text for text in texts if struct.pack("f", float(text)) == exact)
