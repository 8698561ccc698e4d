"""The terminal app: themes, screens and what holds everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import App
from textual.binding import Binding, BindingType

from kdmgr.tui.commands import KeyCommands, ModelCommands
from kdmgr.tui.messages import ChatAsked
from kdmgr.tui.screens.chat import ChatScreen
from kdmgr.tui.screens.students import StudentsScreen
from kdmgr.tui.themes import DARK, DEFAULT_VARIABLES, build_themes, next_theme

if TYPE_CHECKING:
    from kdmgr.tui.ports import AppServices
    from kdmgr.tui.screens.help import Section


class KdmgrApp(App[None]):
    """kdmgr in a terminal. Paints before it asks for anything."""

    TITLE = "kdmgr"
    CSS_PATH = "app.tcss"
    COMMANDS = {KeyCommands, ModelCommands}  # noqa: RUF012  (Textual types it as a class's already)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  (Textual types it as an instance's)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "next_theme", "theme", show=False, tooltip="The next theme: dark, light, high contrast"),
        Binding("f1", "help", "help", show=False, tooltip="All keys"),
        Binding("ctrl+p", "command_palette", "palette", show=False, priority=True, tooltip="Search actions and models"),
        Binding("ctrl+q", "quit", "quit", tooltip="Leave kdmgr; asks while an answer streams", priority=True),
    ]

    def __init__(self, services: AppServices, *, theme: str | None = None) -> None:
        super().__init__()
        self.services = services
        for known in build_themes():
            self.register_theme(known)
        self.theme = theme if theme in self.available_themes else DARK

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our variables, for themes that are not ours."""
        return DEFAULT_VARIABLES

    def on_mount(self) -> None:
        """The main screen lies at the bottom."""
        self.push_screen(StudentsScreen(self.services))

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
        if not any(isinstance(screen, ChatScreen) and screen.streaming for screen in self.screen_stack):
            self.exit()
            return
        from kdmgr.tui.screens.confirm import ConfirmScreen

        if not isinstance(self.screen, ConfirmScreen):
            question = ConfirmScreen("An answer is still streaming. Leave kdmgr?", "Leave")
            self.push_screen(question, lambda leave: self.exit() if leave else None)


def help_sections() -> tuple[Section, ...]:
    """What the help lists, by where the keys work."""
    from kdmgr.tui.screens.help import Section
    from kdmgr.tui.widgets.chat_input import ChatInput
    from kdmgr.tui.widgets.filter_input import FilterInput
    from kdmgr.tui.widgets.student_table import StudentTable

    return (
        Section("Students", (StudentTable, StudentsScreen)),
        Section("In the filter", (FilterInput,)),
        Section("Chat", (ChatInput, ChatScreen)),
        Section("Everywhere", (KdmgrApp,)),
    )
