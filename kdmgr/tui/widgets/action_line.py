"""What can be done with the selected model: the keys of the screen, to be clicked too."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from kdmgr.tui.widgets.drawn import Drawn

KEYS = ("p", "c", "l", "e", "u", "d")
"""Those that are about a model, in this order; the screen says which of them it has."""
FOR_INSTALLED = ("c", "e", "u", "d")
FOR_OTHERS = ("p",)
_BETWEEN = "   "


class ActionLine(Drawn):
    """Words with their keys; a click does what the key does."""

    _words: tuple[Content, ...] = ()

    def show(self, actions: Sequence[tuple[str, str, str]]) -> None:
        """Draw key, label and action of each."""
        # The only place with markup: keys, labels and actions are our own, never a model's.
        marked = (f"[@click={action}][bold $accent]{key}[/] {label}[/]" for key, label, action in actions)
        self._words = tuple(Content.from_markup(text) for text in marked)
        self.redraw()

    def draw(self, width: int) -> list[Content]:
        """As many on a line as there is room for; a key stays with its word."""
        lines: list[Content] = []
        for words in self._words:
            room = width - len(_BETWEEN) - words.cell_length
            if lines and lines[-1].cell_length <= room:
                lines[-1] = Content.assemble(lines[-1], _BETWEEN, words)
            else:
                lines.append(words)
        return lines
