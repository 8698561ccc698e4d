"""What the command palette offers: the models, and what the keys do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import NamedTuple

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from kdmgr.tui.screens.students import StudentsScreen
from kdmgr.tui.words import describe_row, one_line


class Offer(NamedTuple):
    """A line of the palette."""

    text: str
    help: str
    run: Callable[[], object]


class _Offers(Provider):
    """Offers are found by what they say; without a search the first few are shown."""

    def offers(self) -> Iterator[Offer]:
        raise NotImplementedError

    async def discover(self) -> Hits:
        """Shown before anything is typed."""
        for offer in self.offers():
            yield DiscoveryHit(Content(offer.text), offer.run, text=offer.text, help=offer.help)

    async def search(self, query: str) -> Hits:
        """Those that match."""
        matcher = self.matcher(query)
        for offer in self.offers():
            score = matcher.match(offer.text)
            if score > 0:
                # Content, not a string: a name in square brackets is no markup.
                yield Hit(score, Content(offer.text), offer.run, text=offer.text, help=offer.help)


class ModelCommands(_Offers):
    """Go to a model, chat with it, or climb a teacher's ladder."""

    def offers(self) -> Iterator[Offer]:
        """Chats first, then every row, then the teachers."""
        screen = self.screen
        if not isinstance(screen, StudentsScreen):
            return
        for row in screen.rows:
            if row.installed:
                yield Offer(f"Chat with {one_line(row.name)}", describe_row(row), partial(screen.chat, row))
        for row in screen.rows:
            yield Offer(f"Show {one_line(row.name)}", describe_row(row), partial(screen.reveal, row))
        for teacher in _teachers():
            yield Offer(
                f"Ladder of {one_line(teacher)}", "all its students, by size", partial(screen.show_ladder, teacher)
            )


@cache
def _teachers() -> tuple[str, ...]:
    """The teachers that are models of their own, by name."""
    from kdmgr.catalog.teachers import MODEL, load_teachers

    return tuple(facts.name for facts in load_teachers() if facts.kind == MODEL)


class KeyCommands(_Offers):
    """What the keys of the screen do, by name."""

    def offers(self) -> Iterator[Offer]:
        """Each action once, under what its key's tooltip says."""
        seen = set()
        for node, binding, enabled, _ in self.screen.active_bindings.values():
            if enabled and binding.tooltip and binding.action not in seen:
                seen.add(binding.action)
                key = self.app.get_key_display(binding)
                yield Offer(binding.tooltip, f"key {key}", partial(self.app.run_action, binding.action, node))
