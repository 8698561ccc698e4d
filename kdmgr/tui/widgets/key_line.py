"""The line at the bottom of every screen: its keys, to be clicked too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from textual import events
from textual.content import Content
from textual.reactive import reactive

from kdmgr.tui.widgets.drawn import Drawn

if TYPE_CHECKING:
    from textual.binding import ActiveBinding
    from textual.screen import Screen

N_LAST = 2
"""Keys at the end that stay when there is no room for all: how to see the others, and how to leave."""
CUT = "…"
"""Stands for those that gave way."""


class ShownKey(NamedTuple):
    """One key, and what it does at the moment."""

    key: str
    label: str
    description: str
    enabled: bool
    tooltip: str

    @property
    def width(self) -> int:
        """Columns."""
        return Content(self.label).cell_length + 1 + Content(self.description).cell_length


class KeyLine(Drawn):
    """One widget for all keys: they change with every row that is selected, and a widget to each would be costly."""

    DEFAULT_CSS = """
    KeyLine { dock: bottom; height: 1; padding: 0 1; background: $footer-background; color: $footer-foreground; }
    """
    ALLOW_SELECT = False

    under_pointer: reactive[ShownKey | None] = reactive(None)
    """What a click would press."""

    def __init__(self) -> None:
        super().__init__()
        self._keys: tuple[ShownKey, ...] = ()

    def on_mount(self) -> None:
        """Follow the bindings of the screen."""
        self.screen.bindings_updated_signal.subscribe(self, self._take_bindings)

    def draw(self, width: int) -> list[Content]:
        """One line."""
        drawn = [Content(CUT) if key is None else self._draw_key(key) for key in choose(self._keys, width)]
        return [Content(" ").join(drawn)]

    def watch_under_pointer(self, key: ShownKey | None) -> None:
        """Say more of it."""
        self.tooltip = key.tooltip or None if key is not None else None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Light up the key under the pointer."""
        self.under_pointer = self._find(event)

    def on_leave(self) -> None:
        """The pointer has gone elsewhere."""
        self.under_pointer = None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """As if the key had been pressed."""
        key = self._find(event)
        if key is None:
            return
        if key.enabled:
            self.app.simulate_key(key.key)
        else:
            self.app.bell()

    def _take_bindings(self, screen: Screen[object]) -> None:
        keys = tuple(self._shown_keys(screen.active_bindings.values()))
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    def _shown_keys(self, bindings: Iterable[ActiveBinding]) -> Iterator[ShownKey]:
        """The first key of each action."""
        seen = set()
        for _, binding, enabled, tooltip in bindings:
            if binding.show and binding.action not in seen:
                seen.add(binding.action)
                yield ShownKey(binding.key, self.app.get_key_display(binding), binding.description, enabled, tooltip)

    def _draw_key(self, key: ShownKey) -> Content:
        drawn = Content.assemble((key.label, "bold $footer-key-foreground"), " ", key.description)
        if not key.enabled:
            return drawn.stylize("dim")
        return drawn.stylize("on $block-hover-background") if key is self.under_pointer else drawn

    def _find(self, event: events.MouseEvent) -> ShownKey | None:
        at = event.x - self.gutter.left
        end = -1
        for key in choose(self._keys, self.content_size.width):
            start = end + 1
            end = start + (len(CUT) if key is None else key.width)
            if start <= at < end:
                return key
        return None


def choose(keys: Sequence[ShownKey], width: int) -> list[ShownKey | None]:
    """Those for which there is room; None stands where others gave way."""
    if _width(keys) <= width:
        return list(keys)
    first, last = list(keys[:-N_LAST]), keys[-N_LAST:]
    while first and _width(first) + len(CUT) + _width(last) + 2 > width:
        first.pop()
    return [*first, None, *last]


def _width(keys: Sequence[ShownKey]) -> int:
    return sum(key.width for key in keys) + max(len(keys) - 1, 0)
