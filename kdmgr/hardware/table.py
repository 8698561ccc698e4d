"""The GPU table: memory, bandwidth and generation of cards by name, each row with its source.

`gpus.jsonl` is searched as text first, so that a look-up decodes a handful of its lines.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from kdmgr.errors import UsageError
from kdmgr.units import GIB

_COUNT = re.compile(r"\s*(\d{1,2})\s*[x×]\s+(.+)", re.IGNORECASE)
_SIZE = re.compile(r"\s*\b(\d{1,4})\s*(?:gb|gib|g)\b\s*", re.IGNORECASE)
_WORDS = re.compile(r"[a-z]+|\d+[a-z]*")
# Words that makers put before a name and nobody types.
_NOISE = frozenset(
    ("nvidia", "geforce", "amd", "radeon", "instinct", "intel", "r", "tm", "arc", "graphics", "gpu", "apple")
)


_RECENT = ("Ampere", "Ada", "Blackwell", "Hopper")


@dataclass(frozen=True, slots=True)
class Card:
    """One row: a card and one of the memory sizes it is sold with."""

    name: str
    aliases: tuple[str, ...]
    vendor: str
    """"nvidia", "amd", "intel" or "apple"."""
    memory_bytes: int
    bandwidth: int | None
    """Bytes per second."""
    memory_type: str | None
    architecture: str | None
    compute_capability: str | None
    fp16_flops: float | None
    """Dense FP16 of the units that multiply matrices there: NVIDIA's tensor cores, others' shaders."""
    unified: bool
    laptop: bool
    source: str


def parse_gpus(text: str) -> list[Card]:
    """The cards that `text` asks for: `RTX 3060 12GB`, `2x RTX 3090`, `4090, 3060 12GB`.

    `UsageError` for a name that no card has, or that several with different memory have.
    """
    cards: list[Card] = []
    for part in filter(None, map(str.strip, text.split(","))):
        match = _COUNT.fullmatch(part)
        count, name = (int(match[1]), match[2]) if match else (1, part)
        if not 1 <= count <= 16:
            raise UsageError(f"{count} GPUs are out of range", hint="up to 16 can be declared")
        cards += [find_card(name)] * count
    if not cards:
        raise UsageError("no GPU named", hint='name one: --gpu "RTX 3060 12GB"')
    return cards


def find_card(text: str) -> Card:
    """The card a user means by `text`."""
    size = _SIZE.search(text)
    wanted = _words(_SIZE.sub(" ", text))
    if not wanted:
        raise UsageError(f"not the name of a GPU: {text!r}", hint='like "RTX 3060 12GB" or "M4 Max 64GB"')
    candidates = _candidates(wanted)
    # "H100" is no card's whole name: then every name that begins with it is meant.
    named = [card for card in candidates if wanted in _names(card)] or [
        card for card in candidates if any(name[: len(wanted)] == wanted for name in _names(card))
    ]
    if not named:
        raise UsageError(f"no such GPU in the table: {text!r}", hint=_suggest(wanted))
    if size:
        exact = [card for card in named if round(card.memory_bytes / GIB) == int(size[1])]
        if not exact:
            raise UsageError(f"{named[0].name} does not come with {size[1]} GiB", hint=_sizes(named))
        named = exact
    # The same name may be sold for desktops and laptops: without the word, the desktop card is meant.
    named = [card for card in named if not card.laptop] or named
    if len({card.memory_bytes for card in named}) > 1:
        raise UsageError(f"{named[0].name} comes with several sizes of memory", hint=_sizes(named))
    return named[0]


def find_by_driver_name(name: str, total_bytes: int, bandwidth: int | None = None) -> Card | None:
    """The card that a driver calls `name`, with about this much memory; None when the table lacks it.

    Of several such cards (an RTX 3060 Ti comes with GDDR6 or GDDR6X) the first, or the one whose bandwidth
    is nearest to `bandwidth`. Drivers report a little less than the nominal size: what the firmware keeps is
    not theirs.
    """
    named = [
        card
        for card in _candidates(_words(name))
        if card.name.casefold() == name.casefold()
        and 0.85 * card.memory_bytes <= total_bytes <= 1.02 * card.memory_bytes
    ]
    if bandwidth is not None:
        named.sort(key=lambda card: abs((card.bandwidth or 0) - bandwidth))
    return named[0] if named else None


def desktop_cards() -> list[Card]:
    """NVIDIA's cards since 2020, without those of laptops: what a recommendation is chosen from."""
    cards = _candidates(('"vendor": "nvidia"', '"laptop": false'))
    return [card for card in cards if (card.architecture or "").startswith(_RECENT)]


def _candidates(words: tuple[str, ...]) -> list[Card]:
    """Cards whose line contains all `words`, in the table's order."""
    cards: list[Card] = []
    for line in _text().splitlines():
        lowered = line.casefold()
        if all(word in lowered for word in words):
            cards += _read(json.loads(line))
    return cards


def _text() -> str:
    return Path(__file__).with_name("gpus.jsonl").read_text(encoding="utf-8")


def _read(row: dict[str, object]) -> list[Card]:
    sizes = row["memory_gib"]
    bandwidth, flops = row["bandwidth_gb_s"], _matrix_tflops(row)
    aliases = row["aliases"]
    return [
        Card(
            name=str(row["name"]),
            aliases=tuple(map(str, aliases)) if isinstance(aliases, list) else (),
            vendor=str(row["vendor"]),
            memory_bytes=int(float(size) * GIB),
            bandwidth=int(bandwidth * 1e9) if isinstance(bandwidth, int | float) else None,
            memory_type=_optional(row["memory_type"]),
            architecture=_optional(row["architecture"]),
            compute_capability=_optional(row["compute_capability"]),
            fp16_flops=flops * 1e12 if isinstance(flops, int | float) else None,
            unified=bool(row["unified"]),
            laptop=bool(row["laptop"]),
            source=str(row["source"]),
        )
        for size in (sizes if isinstance(sizes, list) else [sizes])
        if isinstance(size, int | float)
    ]


def _matrix_tflops(row: dict[str, object]) -> object:
    """A row of NVIDIA's may give the shaders' FP16 only; the tensor cores' is then beside it, where they exist."""
    if row["vendor"] != "nvidia" or str(row["fp16_kind"]).startswith("tensor"):
        return row["fp16_tflops"]
    return row["fp16_tensor_derived_tflops"]


def _optional(value: object) -> str | None:
    return None if value is None else str(value)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in _WORDS.findall(text.casefold()) if word not in _NOISE)


def _names(card: Card) -> set[tuple[str, ...]]:
    """The card's names as words, also without the family's prefix (`4090`) and the size."""
    spelled = {_words(_SIZE.sub(" ", name)) for name in (card.name, *card.aliases)}
    return spelled | {words[1:] for words in spelled if words[:1] in (("rtx",), ("gtx",), ("rx",)) and words[1:]}


def _sizes(cards: list[Card]) -> str:
    sizes = sorted({round(card.memory_bytes / GIB) for card in cards})
    name = min((_SIZE.sub(" ", each).strip() for each in (*cards[0].aliases, cards[0].name)), key=len)
    return f'say which, as in "{name} {sizes[-1]}GB": {", ".join(f"{size} GiB" for size in sizes)}'


def _suggest(words: tuple[str, ...]) -> str:
    import difflib

    names: dict[str, str] = {}
    for line in _text().splitlines():
        for card in _read(json.loads(line)):
            names.update({" ".join(spelled): card.name for spelled in _names(card)})
    close = difflib.get_close_matches(" ".join(words), names, 3, 0.6)
    shown = ", ".join(dict.fromkeys(names[each] for each in close))
    return f"close to {shown}" if shown else "or declare its memory alone: --vram 12GiB"
