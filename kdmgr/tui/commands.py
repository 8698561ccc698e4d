"""What the command palette offers: places, models of all places, and what the keys do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from kdmgr.tui.places import HOME, PLACES
from kdmgr.tui.screens.students import StudentsScreen
from kdmgr.tui.themes import THEMES
from kdmgr.tui.words import describe_row, one_line

if TYPE_CHECKING:
    from textual.app import App
    from textual.screen import Screen

    from kdmgr.services.rows import ModelRow


class Offer(NamedTuple):
    """A line of the palette."""

    text: str
    help: str
    run: Callable[[], object]


def screens_of(app: App[Any]) -> Iterator[Screen[Any]]:
    """Every screen that is open in any place. A screen may offer more of its own by `palette_offers`."""
    for place in PLACES:
        yield from app._screen_stacks.get(place.mode, ())


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
    """Go to a model, chat with it, climb a teacher's ladder, or unload a model: from any place."""

    def offers(self) -> Iterator[Offer]:
        """Chats first, then every row and every teacher, then what is in memory."""
        found = {type(screen): screen for screen in screens_of(self.app)}
        students = found.get(StudentsScreen)
        if isinstance(students, StudentsScreen):
            yield from self._rows(students)
            for teacher in teachers():
                climb = partial(self._climb, students, teacher)
                yield Offer(f"Ladder of {one_line(teacher)}", "all its students, by size", climb)
        for screen in found.values():
            for text, about, run in getattr(screen, "palette_offers", tuple)():
                yield Offer(text, about, run)

    def _rows(self, students: StudentsScreen) -> Iterator[Offer]:
        for row in students.rows:
            if row.installed:
                yield Offer(f"Chat with {one_line(row.name)}", describe_row(row), partial(students.chat, row))
        for row in students.rows:
            show = partial(self._show, students, row)
            yield Offer(f"Show {one_line(row.name)}", describe_row(row), show)

    async def _show(self, students: StudentsScreen, row: ModelRow) -> None:
        await self.app.switch_mode(HOME)
        students.reveal(row)

    async def _climb(self, students: StudentsScreen, teacher: str) -> None:
        await self.app.switch_mode(HOME)
        students.show_ladder(teacher)


class PlaceCommands(_Offers):
    """The places, and the themes."""

    def offers(self) -> Iterator[Offer]:
        """By their titles and names."""
        for number, place in enumerate(PLACES, 1):
            go = partial(self.app.run_action, f"app.go('{place.mode}')")
            yield Offer(f"Go to {place.title}", f"key {number}", go)
        for theme in THEMES:
            yield Offer(f"Theme: {theme.removeprefix('kdmgr-')}", "", partial(setattr, self.app, "theme", theme))


@cache
def teachers() -> tuple[str, ...]:
    """The teachers that are models of their own, by name."""
    from kdmgr.catalog.teachers import MODEL, load_teachers

    return tuple(facts.name for facts in load_teachers() if facts.kind == MODEL)


class KeyCommands(_Offers):
    """What the keys of the screen do, by name."""

    def offers(self) -> Iterator[Offer]:
        """Each action once, under what its key's tooltip says."""
        seen = set()
        for node, binding, enabled, _ in self.screen.active_bindings.values():
            # Places have a provider of their own.
            if enabled and binding.tooltip and binding.action not in seen and not binding.action.startswith("go("):
                seen.add(binding.action)
                key = self.app.get_key_display(binding)
                yield Offer(binding.tooltip, f"key {key}", partial(self.app.run_action, binding.action, node))
