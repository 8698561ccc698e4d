"""A part of the panel that folds: Enter or a click on its title."""

from __future__ import annotations

from textual.widget import Widget
from textual.widgets import Collapsible


class Fold(Collapsible):
    """One line of title, and below it what it is about; without anything it takes no room."""

    DEFAULT_CSS = """
    Fold { padding: 0; margin: 1 0 0 0; border: none; background: transparent; height: auto; }
    Fold:focus-within { background-tint: $foreground 0%; }
    Fold > CollapsibleTitle { padding: 0; color: $primary; text-style: bold; }
    Fold > Contents { padding: 0; height: auto; }
    """

    def __init__(self, title: str, *body: Widget, folded: bool = False, id: str | None = None) -> None:
        super().__init__(*body, title=title, collapsed=folded, id=id)
        self.display = False
