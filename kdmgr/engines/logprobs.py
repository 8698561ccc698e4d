"""Tokens with their probabilities, as both engines write them (OpenAI's `logprobs.content`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite

from kdmgr.engines.protocol import TokenChance, WrittenToken


def read_tokens(value: object) -> tuple[WrittenToken, ...]:
    """The tokens of a list; what is malformed in it is left out, and anything but a list holds none."""
    return tuple(_read_all(value)) if isinstance(value, list) else ()


def _read_all(items: list[object]) -> Iterator[WrittenToken]:
    for item in items:
        chosen = _read_chance(item)
        if chosen is None or not isinstance(item, Mapping):
            continue
        others = item.get("top_logprobs")
        chances = map(_read_chance, others) if isinstance(others, list) else ()
        yield WrittenToken(chosen, tuple(chance for chance in chances if chance is not None))


def _read_chance(item: object) -> TokenChance | None:
    if not isinstance(item, Mapping):
        return None
    logprob, number = item.get("logprob"), item.get("id")
    if isinstance(logprob, bool) or not isinstance(logprob, int | float) or not isfinite(logprob):
        return None
    known = number if isinstance(number, int) and not isinstance(number, bool) else None
    return TokenChance(_read_text(item), float(logprob), known)


def _read_text(item: Mapping[str, object]) -> str:
    """By its bytes: as a text, llama.cpp gives half a character as none."""
    raw = item.get("bytes")
    if isinstance(raw, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in raw):
        return bytes(raw).decode("utf-8", "replace")
    text = item.get("token")
    return text.encode("utf-8", "replace").decode("utf-8") if isinstance(text, str) else ""
