"""The keys that a user gave to actions: which ids there are, and what of the wishes can be had."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from textual.binding import Binding, InvalidBinding
from textual.screen import Screen

from kdmgr.tui.help_words import EVERYWHERE, describe_action, own_bindings
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from textual.dom import DOMNode

    from kdmgr.tui.help_words import Section


class KnownKey(NamedTuple):
    """An action that has keys."""

    id: str
    owners: tuple[tuple[str, type[DOMNode]], ...]
    """Sections of the help that list it, and the classes there that bind it."""
    keys: str
    """By default; several with commas between."""
    text: str

    @property
    def places(self) -> list[str]:
        """The sections, each once."""
        return list(dict.fromkeys(title for title, _ in self.owners))


class CheckedKeys(NamedTuple):
    """The wishes that can be had, and a sentence for each that cannot."""

    accepted: dict[str, str]
    problems: tuple[str, ...]


def known_keys(sections: tuple[Section, ...] | None = None) -> list[KnownKey]:
    """Every action that the help lists, in its order."""
    if sections is None:
        from kdmgr.tui.help_sections import help_sections

        sections = help_sections()
    found: dict[str, KnownKey] = {}
    for title, owner, binding in _walk(sections):
        known = found.get(binding.id or "")
        owners = (*(known.owners if known else ()), (title, owner))
        if binding.id is not None:
            found[binding.id] = KnownKey(binding.id, owners, normalize(binding.key), describe_action(binding))
    return list(found.values())


def _walk(sections: Iterable[Section]) -> Iterator[tuple[str, type[DOMNode], Binding]]:
    for section in sections:
        for owner in section.owners:
            for binding in own_bindings(section._replace(owners=(owner,))):
                yield section.title, owner, binding


def normalize(keys: str) -> str:
    """Textual's names: `?` is `question_mark`. Raises `InvalidBinding` for an empty one."""
    return ",".join(binding.key for binding in Binding.make_bindings([Binding(keys, "")]))


def check_keys(wishes: Mapping[str, str], known: list[KnownKey]) -> CheckedKeys:
    """Which wishes hold. One that would take the key of another action is refused, and names both."""
    by_id = {one.id: one for one in known}
    wanted, problems = _read(wishes, by_id)
    while (clash := _find_clash(wanted, by_id)) is not None:
        name, other, key = clash
        problems.append(f"{key} cannot be both {name} and {other}; {name} stays {by_id[name].keys}")
        del wanted[name]
    return CheckedKeys(wanted, tuple(problems))


def _read(wishes: Mapping[str, str], by_id: Mapping[str, KnownKey]) -> tuple[dict[str, str], list[str]]:
    import difflib

    wanted, problems = {}, []
    for name, keys in wishes.items():
        if name not in by_id:
            close = difflib.get_close_matches(name, by_id, 1)
            meant = f", perhaps {close[0]}" if close else ""
            problems.append(f"no key is called {one_line(name)}{meant}; kdmgr config keys lists them")
            continue
        try:
            wanted[name] = normalize(keys)
        except InvalidBinding:
            problems.append(f"{name} has an empty key in {one_line(keys)!r}")
    return wanted, problems


def _find_clash(wanted: Mapping[str, str], by_id: Mapping[str, KnownKey]) -> tuple[str, str, str] | None:
    """A wish, the action whose key it would take, and the key."""
    for name, keys in wanted.items():
        for other in by_id.values():
            if other.id == name or not _meet(by_id[name], other):
                continue
            both = set(keys.split(",")) & set(wanted.get(other.id, other.keys).split(","))
            if both:
                return name, other.id, min(both)
    return None


def _meet(one: KnownKey, other: KnownKey) -> bool:
    """Whether there is a place in which both work: of two widgets side by side only one has the focus."""
    return any(
        EVERYWHERE in (here, there) or (here == there and _share(mine, yours))
        for here, mine in one.owners
        for there, yours in other.owners
    )


def _share(mine: type[DOMNode], yours: type[DOMNode]) -> bool:
    return issubclass(mine, (yours, Screen)) or issubclass(yours, (mine, Screen))
