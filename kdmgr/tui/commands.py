"""What the command palette offers: what the keys do, models of all places, the places, and themes."""

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


class PaletteCommands(Provider):
    """One for all: Textual keeps providers in a set, and would show what they offer in any order."""

    async def discover(self) -> Hits:
        """Shown before anything is typed: what there are a few of, the nearest first."""
        for offer in first_offers(self.app, self.screen):
            yield DiscoveryHit(Content(offer.text), offer.run, text=offer.text, help=offer.help)

    async def search(self, query: str) -> Hits:
        """Those that match, every model and every teacher among them."""
        matcher = self.matcher(query)
        for offer in all_offers(self.app, self.screen):
            score = matcher.match(offer.text)
            if score > 0:
                # Content, not a string: a name in square brackets is no markup.
                yield Hit(score, Content(offer.text), offer.run, text=offer.text, help=offer.help)


def first_offers(app: App[Any], screen: Screen[Any]) -> Iterator[Offer]:
    """What can be done here, chats, what else is open, the places and the themes."""
    yield from key_offers(app, screen)
    yield from chat_offers(app)
    yield from screen_offers(app)
    yield from place_offers(app)
    yield from theme_offers(app)


def all_offers(app: App[Any], screen: Screen[Any]) -> Iterator[Offer]:
    """Those, and a way to each model and each teacher's ladder."""
    yield from first_offers(app, screen)
    yield from model_offers(app)
    yield from ladder_offers(app)


def key_offers(app: App[Any], screen: Screen[Any]) -> Iterator[Offer]:
    """What the keys of the screen do: each action once, under what its key's tooltip says; the app's own last."""
    seen: set[str] = set()
    bindings = sorted(screen.active_bindings.values(), key=lambda active: active.node is app)
    for node, binding, enabled, _ in bindings:
        action = binding.action.removeprefix("app.")
        # Places are offered by themselves, and the palette is there.
        if enabled and binding.tooltip and action not in seen and not action.startswith(("go(", "command_palette")):
            seen.add(action)
            key = app.get_key_display(binding)
            yield Offer(binding.tooltip, f"key {key}", partial(app.run_action, binding.action, node))


def chat_offers(app: App[Any]) -> Iterator[Offer]:
    """A chat with each installed model."""
    for students in _students(app):
        for row in students.rows:
            if row.installed:
                yield Offer(f"Chat with {one_line(row.name)}", describe_row(row), partial(students.chat, row))


def screen_offers(app: App[Any]) -> Iterator[Offer]:
    """What the open screens offer by `palette_offers`, wherever the palette is opened."""
    for screen in {type(screen): screen for screen in screens_of(app)}.values():
        for text, about, run in getattr(screen, "palette_offers", tuple)():
            yield Offer(text, about, run)


def place_offers(app: App[Any]) -> Iterator[Offer]:
    """The places, as the tabs stand."""
    for number, place in enumerate(PLACES, 1):
        go = partial(app.run_action, f"app.go('{place.mode}')")
        yield Offer(f"Go to {place.title}", f"key {number}", go)


def theme_offers(app: App[Any]) -> Iterator[Offer]:
    """The themes."""
    for theme in THEMES:
        yield Offer(f"Theme: {theme.removeprefix('kdmgr-')}", "", partial(setattr, app, "theme", theme))


def model_offers(app: App[Any]) -> Iterator[Offer]:
    """The way to each row of the table."""

    async def show(students: StudentsScreen, row: ModelRow) -> None:
        await app.switch_mode(HOME)
        students.reveal(row)

    for students in _students(app):
        for row in students.rows:
            yield Offer(f"Show {one_line(row.name)}", describe_row(row), partial(show, students, row))


def ladder_offers(app: App[Any]) -> Iterator[Offer]:
    """The way to each teacher's ladder."""

    async def climb(students: StudentsScreen, teacher: str) -> None:
        await app.switch_mode(HOME)
        students.show_ladder(teacher)

    for students in _students(app):
        for teacher in teachers():
            about = "all its students, by size"
            yield Offer(f"Ladder of {one_line(teacher)}", about, partial(climb, students, teacher))


def screens_of(app: App[Any]) -> Iterator[Screen[Any]]:
    """Every screen that is open in any place."""
    for place in PLACES:
        yield from app._screen_stacks.get(place.mode, ())


@cache
def teachers() -> tuple[str, ...]:
    """The teachers that are models of their own, by name."""
    from kdmgr.catalog.teachers import MODEL, load_teachers

    return tuple(facts.name for facts in load_teachers() if facts.kind == MODEL)


def _students(app: App[Any]) -> Iterator[StudentsScreen]:
    """The table of students, if it was visited."""
    yield from [screen for screen in screens_of(app) if isinstance(screen, StudentsScreen)][:1]
