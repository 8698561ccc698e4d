"""What can be done with the selected model: the keys of the screen, to be clicked too."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from kdmgr.tui.widgets.passage import Passage

KEYS = ("p", "c", "l", "e", "u", "d")
"""Those that are about a model, in this order; the screen says which of them it has."""
FOR_INSTALLED = ("c", "e", "u", "d")
FOR_OTHERS = ("p",)


class ActionLine(Passage):
    """Words with their keys; a click does what the key does."""

    def show_actions(self, actions: Sequence[tuple[str, str, str]]) -> None:
        """Draw key, label and action of each."""
        # The only place with markup: keys, labels and actions are our own, never a model's.
        parts = [f"[@click={action}][bold $accent]{key}[/]\u00a0{label}[/]" for key, label, action in actions]
        self.show(Content.from_markup("   ".join(parts)))
