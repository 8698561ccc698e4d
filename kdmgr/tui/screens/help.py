"""All keys, taken from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import ModalScreen
from textual.widgets import Static

from kdmgr.tui.widgets.facts import Fact, Facts

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
}
_KEY_WIDTH = 23


class Section(NamedTuple):
    """A heading, and the classes whose own bindings it lists."""

    title: str
    owners: tuple[type[DOMNode], ...]


class HelpScreen(ModalScreen[None]):
    """A list to read and to close again."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "close", id="help.close"),
    ]

    def __init__(self, sections: Iterable[Section], keys: Mapping[str, str] | None = None) -> None:
        """`keys` are the user's own, by the ids of bindings."""
        super().__init__()
        self._sections = tuple(sections)
        self._keys = keys or {}

    def compose(self) -> ComposeResult:
        """Headings with their keys below, and what the marks mean."""
        with VerticalScroll(id="help") as view:
            view.border_title, view.border_subtitle = "keys", "Esc closes"
            for section in self._sections:
                yield Static(Content.styled(section.title, "bold $primary"), classes="heading", markup=False)
                yield Facts(
                    [_describe(binding, self._keys) for binding in own_bindings(section)], label_width=_KEY_WIDTH
                )
            yield Static(Content.styled("Signs", "bold $primary"), classes="heading", markup=False)
            yield Facts([Fact(f"  {sign}", text) for sign, text in _SIGNS], label_width=_KEY_WIDTH)

    def _with_own_keys(self, binding: Binding) -> Binding:
        own = self._keys.get(binding.id or "")
        return binding.with_key(own) if own else binding

    def on_mount(self) -> None:
        """So that the arrow keys scroll."""
        self.query_one("#help").focus()


def own_bindings(section: Section) -> list[Binding]:
    """What the classes of a section bind themselves, in the order they declare it."""
    return [
        binding for owner in section.owners for binding in owner.__dict__["BINDINGS"] if isinstance(binding, Binding)
    ]


def describe_keys(binding: Binding) -> str:
    """`↓  j` for "down,j"."""
    return "  ".join(_name_key(key) for key in binding.key.split(","))


def _describe(binding: Binding, keys: Mapping[str, str]) -> Fact:
    text = binding.tooltip or binding.description
    own = keys.get(binding.id or "")
    return Fact(
        f"  {describe_keys(binding.with_key(own) if own else binding)}", text[:1].upper() + text[1:], "", "$accent"
    )


def _name_key(key: str) -> str:
    *modifiers, last = key.split("+")
    return "+".join([*(modifier.capitalize() for modifier in modifiers), _KEY_NAMES.get(last, last)])


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
