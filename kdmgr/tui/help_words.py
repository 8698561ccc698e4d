"""What the help says: keys in words, taken from the bindings themselves, and what a query leaves of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from textual.binding import Binding

if TYPE_CHECKING:
    from textual.dom import DOMNode

_KEY_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "escape": "Esc",
    "enter": "Enter",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "space": "Space",
    "tab": "Tab",
    "delete": "Del",
    "backspace": "Backspace",
}
_FUNCTION_KEY = re.compile(r"f[0-9]+")


class Section(NamedTuple):
    """A heading, and the classes whose own bindings it lists."""

    title: str
    owners: tuple[type[DOMNode], ...]


class Entry(NamedTuple):
    """A line of the help."""

    keys: tuple[str, ...]
    text: str
    is_own: bool = False
    """Whether the user chose the keys."""


class Block(NamedTuple):
    """A heading with its lines."""

    title: str
    entries: tuple[Entry, ...]
    is_here: bool = False
    """Whether the keys work where the user came from."""


def own_bindings(section: Section) -> list[Binding]:
    """What the classes of a section bind themselves, in the order they declare it."""
    return [
        binding for owner in section.owners for binding in owner.__dict__["BINDINGS"] if isinstance(binding, Binding)
    ]


def describe_keys(binding: Binding) -> str:
    """`↓  j` for "down,j"."""
    return "  ".join(name_key(key) for key in binding.key.split(","))


def name_key(key: str) -> str:
    """`Ctrl+f` for "ctrl+f"."""
    *modifiers, last = key.split("+")
    name = last.upper() if _FUNCTION_KEY.fullmatch(last) else _KEY_NAMES.get(last, last)
    return "+".join([*(modifier.capitalize() for modifier in modifiers), name])


def read_blocks(sections: Iterable[Section], own: Mapping[str, str], here: Iterable[str] = ()) -> list[Block]:
    """Sections with the user's `own` keys, by the ids of bindings: those that work `here` first, signs last."""
    titles = tuple(here)
    blocks = [Block(section.title, tuple(_read_entries(section, own)), section.title in titles) for section in sections]
    signs = tuple(Entry((sign,), text) for sign, text in _SIGNS)
    return [*sorted(blocks, key=lambda block: _place(block, titles)), Block("Signs", signs)]


def narrow(blocks: Iterable[Block], query: str) -> list[Block]:
    """The lines that `query` means: those of a key, if it is one, or those that have all its words."""
    blocks, key = list(blocks), query.strip()
    pressed = _keep(blocks, lambda block, entry: any(_same_key(each, key) for each in entry.keys))
    words = key.casefold().split()
    return pressed or _keep(blocks, lambda block, entry: all(word in _text_of(block, entry) for word in words))


def _keep(blocks: Iterable[Block], test: Callable[[Block, Entry], bool]) -> list[Block]:
    kept = [block._replace(entries=tuple(entry for entry in block.entries if test(block, entry))) for block in blocks]
    return [block for block in kept if block.entries]


def _same_key(one: str, other: str) -> bool:
    """Letters are other keys with Shift; of names it does not matter how they are written."""
    return one == other if len(one) == 1 else one.casefold() == other.casefold()


def _text_of(block: Block, entry: Entry) -> str:
    return " ".join((block.title, *entry.keys, entry.text)).casefold()


def _read_entries(section: Section, own: Mapping[str, str]) -> Iterator[Entry]:
    """What does the same is one line."""
    by_action: dict[str, Entry] = {}
    for binding in own_bindings(section):
        entry, before = _read_entry(binding, own), by_action.get(binding.action)
        if before is not None:
            keys = (*before.keys, *(key for key in entry.keys if key not in before.keys))
            entry = before._replace(keys=keys, is_own=before.is_own or entry.is_own)
        by_action[binding.action] = entry
    yield from by_action.values()


def describe_action(binding: Binding) -> str:
    """What a key does, as a sentence begins."""
    text = binding.tooltip or binding.description
    return text[:1].upper() + text[1:]


def _read_entry(binding: Binding, own: Mapping[str, str]) -> Entry:
    chosen = own.get(binding.id or "")
    keys = binding.with_key(chosen) if chosen else binding
    return Entry(tuple(describe_keys(keys).split("  ")), describe_action(binding), bool(chosen))


def _place(block: Block, here: tuple[str, ...]) -> int:
    """Where the user came from, then what works everywhere; the others as they stand."""
    if block.is_here:
        return here.index(block.title) - len(here)
    return 0 if block.title == EVERYWHERE else 1


EVERYWHERE = "Everywhere"
"""The section whose keys work beside those of any other."""

_SIGNS = (
    ("●   ○", "installed, or known from the catalog"),
    ("✔ fits", "all on the GPU, with the margin to spare"),
    ("◐ tight", "fits, with less than the margin to spare"),
    ("◑ partial", "some layers on the GPU, the rest in host memory"),
    ("○ cpu", "runs in host memory"),
    ("✘ too big", "not even with host memory"),
    ("? unknown", "the panel says why"),
    ("~23   ≤70", "a rough figure, or no more than that"),
)
