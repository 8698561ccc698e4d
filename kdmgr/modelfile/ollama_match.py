"""Whether Ollama knows the chat template of a GGUF.

Ollama compares it with the 37 templates it knows, by edit distance: the nearest one counts if it is less than
100 edits away, and then its own Go template and stop texts are used (template/template.go, Named). Only sketches
of those templates are kept here, and the distance is enclosed between two bounds: what cannot be decided by them
is said to be open.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

BLOCK = 8
LIMIT = 100


@dataclass(frozen=True, slots=True)
class Sketch:
    """A known template, without its text."""

    name: str
    length: int
    sha256: str
    letters: Counter[str]
    blocks: tuple[int, ...]
    """CRC-32 of each `BLOCK` characters, in order; a rest that fills none is left out."""
    stops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OllamaMatch:
    """A template of Ollama's list. `is_certain` is False where the bounds leave it open whether it is used."""

    name: str
    stops: tuple[str, ...]
    is_certain: bool


def match_template(jinja: str) -> OllamaMatch | None:
    """The template that Ollama takes for this one; None when it knows none like it."""
    digest = sha256(jinja.encode()).hexdigest()
    for sketch in _sketches():
        if sketch.sha256 == digest:
            return OllamaMatch(sketch.name, sketch.stops, True)
    positions = _positions(jinja) if any(abs(len(jinja) - sketch.length) < LIMIT for sketch in _sketches()) else {}
    bounds = [(*_bounds(sketch, jinja, positions), sketch) for sketch in _sketches()]
    near = [(upper, lower, sketch) for lower, upper, sketch in bounds if lower < LIMIT]
    if not near:
        return None
    upper, _, nearest = min(near, key=lambda entry: entry[:2])
    names = {sketch.name for _, lower, sketch in near if lower <= upper}
    return OllamaMatch(nearest.name, nearest.stops, upper < LIMIT and len(names) == 1)


def _bounds(sketch: Sketch, jinja: str, positions: dict[int, list[int]]) -> tuple[int, int]:
    """A lower and an upper bound of the edit distance."""
    far = max(sketch.length, len(jinja))
    if abs(sketch.length - len(jinja)) >= LIMIT:
        return abs(sketch.length - len(jinja)), far
    letters = Counter(jinja)
    # One edit adds, removes or replaces one letter, and spoils one block.
    lower = max(
        (letters - sketch.letters).total(),
        (sketch.letters - letters).total(),
        sum(block not in positions for block in sketch.blocks),
    )
    return lower, min(far, _upper_bound(sketch, len(jinja), positions))


def _upper_bound(sketch: Sketch, length: int, positions: dict[int, list[int]]) -> int:
    """Edits that surely suffice: keep blocks that stand in both in the same order, rewrite all between them.

    Blocks that are shifted by `LIMIT` or more can only be kept by as many edits, and are not looked at.
    """
    chains = [(0, 0, 0)]
    """Edits so far, and how much of either text they have dealt with."""
    for number, block in enumerate(sketch.blocks):
        start = number * BLOCK
        found = positions.get(block, [])
        near = found[bisect_left(found, start - LIMIT) : bisect_left(found, start + LIMIT)]
        longer = []
        for place in near:
            costs = (cost + max(start - known, place - at) for cost, known, at in chains if at <= place)
            longer.append((min(costs), start + BLOCK, place + BLOCK))
        chains += longer
    return min(cost + max(sketch.length - known, length - at) for cost, known, at in chains)


def _positions(text: str) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for at in range(len(text) - BLOCK + 1):
        found.setdefault(crc32(text[at : at + BLOCK].encode()), []).append(at)
    return found


@cache
def _sketches() -> tuple[Sketch, ...]:
    import json

    entries = json.loads(Path(__file__).with_name("ollama_templates.json").read_text(encoding="utf-8"))
    return tuple(_read_sketch(entry) for entry in entries)


def _read_sketch(entry: dict[str, Any]) -> Sketch:
    blocks = entry["blocks"]
    return Sketch(
        name=entry["name"],
        length=entry["length"],
        sha256=entry["sha256"],
        letters=Counter(entry["letters"]),
        blocks=tuple(int(blocks[at : at + 8], 16) for at in range(0, len(blocks), 8)),
        stops=tuple(entry["stops"]),
    )
