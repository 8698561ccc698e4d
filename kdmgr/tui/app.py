"""The terminal app: themes, screens and what holds everywhere."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from kdmgr.tui.commands import KeyCommands, ModelCommands, PlaceCommands
from kdmgr.tui.messages import ChatAsked, HostChanged
from kdmgr.tui.places import HOME, PLACES, place_key
from kdmgr.tui.remembering import RememberingApp
from kdmgr.tui.screens.chat import ChatScreen
from kdmgr.tui.themes import next_theme
from kdmgr.tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdmgr.tui.ports import AppServices
    from kdmgr.tui.screens.help import Section


def place_bindings() -> Iterator[Binding]:
    """Digits lead to the places; in a text field, where they are typed, function keys do."""
    for number, place in enumerate(PLACES, 1):
        tooltip = f"Go to {place.title}"
        action, name = f"go('{place.mode}')", place.mode
        yield Binding(str(number), action, place.title, show=False, tooltip=tooltip, id=f"go.{name}")
        yield Binding(place_key(number), action, place.title, show=False, priority=True, id=f"go.{name}_anywhere")


class KdmgrApp(RememberingApp):
    """kdmgr in a terminal. Paints before it asks for anything."""

    TITLE = "kdmgr"
    CSS_PATH = "app.tcss"
    COMMANDS = {KeyCommands, ModelCommands, PlaceCommands}  # noqa: RUF012  (Textual types it as a class's already)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  (Textual types it as an instance's)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "t",
            "next_theme",
            "theme",
            show=False,
            tooltip="The next theme",
            id="app.next_theme",
        ),
        Binding("f1", "help", "help", show=False, tooltip="All keys", id="app.help"),
        *place_bindings(),
        Binding(
            "ctrl+p",
            "command_palette",
            "palette",
            show=False,
            priority=True,
            tooltip="Search actions and models",
            id="app.command_palette",
        ),
        Binding(
            "ctrl+q", "quit", "quit", tooltip="Leave kdmgr; asks while an answer streams", priority=True, id="app.quit"
        ),
    ]

    def __init__(self, services: AppServices, *, theme: str | None = None) -> None:
        super().__init__(services, theme=theme)
        for place in PLACES:
            self.add_mode(place.mode, partial(place.open, services))

    async def on_mount(self) -> None:
        """Begin where it was left."""
        modes = tuple(place.mode for place in PLACES)
        await self.switch_mode(self.services.ui_state.text("app", "place", modes) or HOME)

    @on(TopLine.Chosen)
    def _go_to_tab(self, message: TopLine.Chosen) -> None:
        self.action_go(message.mode)

    def action_go(self, mode: str) -> None:
        """Show a place; what was open there is still open."""
        self.switch_mode(mode)
        self.remember("app", {"place": mode})

    @on(ChatAsked)
    def _open_chat(self, message: ChatAsked) -> None:
        self.push_screen(ChatScreen(self.services, message))

    @on(HostChanged)
    def _tell_of_host(self) -> None:
        self.host_changed_signal.publish(None)

    def action_next_theme(self) -> None:
        """Dark, light, high contrast, the terminal's own."""
        self.theme = next_theme(self.theme)

    def action_help(self) -> None:
        """All keys of all screens."""
        from kdmgr.tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(help_sections(), self.own_keys))

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
    from kdmgr.tui.screens.help import Section
    from kdmgr.tui.screens.machine import MachineScreen
    from kdmgr.tui.screens.settings import SettingsScreen
    from kdmgr.tui.screens.students import StudentsScreen
    from kdmgr.tui.widgets.chat_input import ChatInput
    from kdmgr.tui.widgets.filter_input import FilterInput
    from kdmgr.tui.widgets.keyed_table import KeyedTable
    from kdmgr.tui.widgets.machine_tables import HostsTable, LoadedTable
    from kdmgr.tui.widgets.setting_tables import KeysTable, SettingsTable
    from kdmgr.tui.widgets.student_table import StudentTable

    return (
        Section("Students", (StudentTable, StudentsScreen)),
        Section("In the filter", (FilterInput,)),
        Section("Chat", (ChatInput, ChatScreen)),
        Section("Machine", (LoadedTable, HostsTable, MachineScreen, KeyedTable)),
        Section("Settings", (SettingsTable, KeysTable, SettingsScreen, KeyedTable)),
        Section("Everywhere", (KdmgrApp,)),
    )
