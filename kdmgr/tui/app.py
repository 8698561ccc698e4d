"""The terminal app: themes, screens and what holds everywhere."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import App
from textual.binding import Binding, BindingType

from kdmgr.tui.commands import KeyCommands, ModelCommands
from kdmgr.tui.messages import ChatAsked
from kdmgr.tui.places import HOME, PLACES, place_key
from kdmgr.tui.screens.chat import ChatScreen
from kdmgr.tui.themes import DARK, DEFAULT_VARIABLES, build_themes, next_theme
from kdmgr.tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdmgr.tui.ports import AppServices
    from kdmgr.tui.screens.help import Section


def place_bindings() -> Iterator[Binding]:
    """Digits lead to the places; in a text field, where they are typed, function keys do."""
    for number, place in enumerate(PLACES, 1):
        tooltip = f"Go to {place.title}"
        yield Binding(str(number), f"go('{place.mode}')", place.title, show=False, tooltip=tooltip)
        yield Binding(place_key(number), f"go('{place.mode}')", place.title, show=False, priority=True)


class KdmgrApp(App[None]):
    """kdmgr in a terminal. Paints before it asks for anything."""

    TITLE = "kdmgr"
    CSS_PATH = "app.tcss"
    COMMANDS = {KeyCommands, ModelCommands}  # noqa: RUF012  (Textual types it as a class's already)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  (Textual types it as an instance's)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "next_theme", "theme", show=False, tooltip="The next theme: dark, light, high contrast"),
        Binding("f1", "help", "help", show=False, tooltip="All keys"),
        *place_bindings(),
        Binding("ctrl+p", "command_palette", "palette", show=False, priority=True, tooltip="Search actions and models"),
        Binding("ctrl+q", "quit", "quit", tooltip="Leave kdmgr; asks while an answer streams", priority=True),
    ]

    def __init__(self, services: AppServices, *, theme: str | None = None) -> None:
        super().__init__()
        self.services = services
        for known in build_themes():
            self.register_theme(known)
        self.theme = theme if theme in self.available_themes else DARK
        for place in PLACES:
            self.add_mode(place.mode, partial(place.open, services))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our variables, for themes that are not ours."""
        return DEFAULT_VARIABLES

    async def on_mount(self) -> None:
        """Begin with the students."""
        await self.switch_mode(HOME)

    @on(TopLine.Chosen)
    def _go_to_tab(self, message: TopLine.Chosen) -> None:
        self.action_go(message.mode)

    def action_go(self, mode: str) -> None:
        """Show a place; what was open there is still open."""
        self.switch_mode(mode)

    @on(ChatAsked)
    def _open_chat(self, message: ChatAsked) -> None:
        self.push_screen(ChatScreen(self.services, message))

    def action_next_theme(self) -> None:
        """Dark, light, high contrast."""
        self.theme = next_theme(self.theme)

    def action_help(self) -> None:
        """All keys of all screens."""
        from kdmgr.tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(help_sections()))

    async def action_quit(self) -> None:
        """Leave; ask first while an answer streams."""
        if not self._streaming():
            self.exit()
            return
        from kdmgr.tui.screens.confirm import ConfirmScreen

        if not isinstance(self.screen, ConfirmScreen):
            question = ConfirmScreen("An answer is still streaming. Leave kdmgr?", "Leave")
            self.push_screen(question, lambda leave: self.exit() if leave else None)

    def _streaming(self) -> bool:
        screens = (screen for stack in self._screen_stacks.values() for screen in stack)
        return any(isinstance(screen, ChatScreen) and screen.streaming for screen in screens)


def help_sections() -> tuple[Section, ...]:
    """What the help lists, by where the keys work."""
    from kdmgr.tui.screens.facets import FacetsScreen
    from kdmgr.tui.screens.help import Section
    from kdmgr.tui.screens.ladder import LadderScreen
    from kdmgr.tui.screens.students import StudentsScreen
    from kdmgr.tui.widgets.chat_input import ChatInput
    from kdmgr.tui.widgets.filter_input import FilterInput
    from kdmgr.tui.widgets.student_table import StudentTable

    return (
        Section("Students", (StudentTable, StudentsScreen)),
        Section("In the filter", (FilterInput,)),
        Section("In the facets", (FacetsScreen,)),
        Section("Ladder", (LadderScreen,)),
        Section("Chat", (ChatInput, ChatScreen)),
        Section("Everywhere", (KdmgrApp,)),
    )
