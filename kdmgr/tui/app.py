"""The terminal app: themes, screens and what holds everywhere."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events, on, work
from textual.binding import Binding, BindingType

from kdmgr.errors import KdmgrError
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.commands import KeyCommands, ModelCommands, PlaceCommands
from kdmgr.tui.messages import ChatAsked, HostChanged, MachineFound
from kdmgr.tui.messages_duel import DuelAsked
from kdmgr.tui.messages_machine import Sampled
from kdmgr.tui.open_chats import OpenChats
from kdmgr.tui.places import HOME, PLACES, place_key
from kdmgr.tui.remembering import RememberingApp
from kdmgr.tui.screens.chat import ChatScreen
from kdmgr.tui.screens.students import StudentsScreen
from kdmgr.tui.themes import next_theme
from kdmgr.tui.transfer_messages import ModelsChanged, ModelShown
from kdmgr.tui.transfer_watch import PLACE as TRANSFERS
from kdmgr.tui.transfer_watch import TransferWatch, describe_running
from kdmgr.tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from textual.screen import Screen

    from kdmgr.fit.machine import Machine
    from kdmgr.services.import_transfer import ImportTransfer
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
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "app",
        [
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
                "ctrl+p", "command_palette", "palette", show=False, priority=True, tooltip="Search actions and models"
            ),
            Binding("ctrl+q", "quit", "quit", tooltip="Leave kdmgr; asks while something runs", priority=True),
        ],
    )

    def __init__(self, services: AppServices, *, theme: str | None = None) -> None:
        super().__init__(services, theme=theme)
        self.chats = OpenChats(self)
        self._badges: dict[str, str] = {}
        self._machine: Machine | None = None
        for place in PLACES:
            self.add_mode(place.mode, partial(place.open, services))

    async def on_mount(self) -> None:
        """Begin where it was left."""
        modes = tuple(place.mode for place in PLACES)
        place = self.services.ui_state.text("app", "place", modes) or HOME
        await self.switch_mode(place)
        self.follow_transfers()
        if place != HOME:  # that one looks for itself
            self.call_after_refresh(self.find_machine)

    @work(thread=True, exclusive=True, group="machine")
    def find_machine(self) -> None:
        """Look at the devices and the host, for the line at the top; who needs more says what is wrong."""
        with suppress(KdmgrError):
            self.call_from_thread(self.show_machine, self.services.detect_machine())

    @work(exclusive=True, group="transfers")
    async def follow_transfers(self) -> None:
        """The queue of pulls and imports lives as long as the app."""
        await TransferWatch(self).follow()

    @on(ModelsChanged)
    def _tell_lists(self) -> None:
        self.tell_models_changed()

    def tell_models_changed(self) -> None:
        """Lists of models look again."""
        for screen in self.open_screens():
            if isinstance(screen, StudentsScreen):
                screen.look_again()

    def open_screens(self) -> Iterator[Screen[Any]]:
        """Every screen of every place that was visited."""
        return (screen for stack in self._screen_stacks.values() for screen in stack)

    def show_badge(self, mode: str, badge: str) -> None:
        """Say beside a place's tab, on all screens, what goes on there."""
        if self._badges.get(mode, "") != badge:
            self._badges[mode] = badge
            for screen in self.open_screens():
                for line in screen.query(TopLine):
                    line.show_badge(mode, badge)

    @on(MachineFound)
    def _take_found(self, message: MachineFound) -> None:
        if message.machine is not None:
            self.show_machine(message.machine)

    @on(Sampled)
    def _take_sample(self, message: Sampled) -> None:
        self.show_machine(message.sample.machine)

    def show_machine(self, machine: Machine) -> None:
        """Say on all screens what the machine has; whatever looked at it last knows best."""
        self._machine = machine
        for screen in self.open_screens():
            for line in screen.query(TopLine):
                line.show(machine)

    @on(TopLine.Shown)
    def _tell_line(self, message: TopLine.Shown) -> None:
        for mode, badge in self._badges.items():
            message.line.show_badge(mode, badge)
        if self._machine is not None:
            message.line.show(self._machine)

    @on(ModelShown)
    async def _show_model(self, message: ModelShown) -> None:
        await self.switch_mode(HOME)
        if isinstance(self.screen, StudentsScreen):
            self.screen.reveal_name(message.name)

    async def on_unmount(self) -> None:
        """Stop what runs: what was said is saved, and what has come is kept."""
        await self.chats.close_all()
        await self.services.transfers.close()

    @on(TopLine.Chosen)
    def _go_to_tab(self, message: TopLine.Chosen) -> None:
        self.action_go(message.mode)

    def on_key(self, event: events.Key) -> None:
        """Text that was typed before a field had the cursor, and so went to another widget, is the field's."""
        field = self.focused
        if field is not None and field.check_consume_key(event.key, event.character):
            late = events.Key(event.key, event.character)
            # A field stops what it takes; this one must not come back here in any case.
            field.post_message(late.stop())
            event.prevent_default()

    def action_go(self, mode: str) -> None:
        """Show a place; what was open there is still open."""
        self.switch_mode(mode)
        self.remember("app", {"place": mode})

    @on(ChatAsked)
    async def _open_chat(self, message: ChatAsked) -> None:
        await self.chats.begin(message)

    def action_import_file(self) -> None:
        """The form of imports, over whatever is shown."""
        from kdmgr.tui.screens.import_ import ImportScreen

        if not isinstance(self.screen, ImportScreen):
            self.push_screen(ImportScreen(self.services), self._queue_import)

    async def _queue_import(self, transfer: ImportTransfer | None) -> None:
        if transfer is None:
            return
        from kdmgr.tui.screens.transfers import TransfersScreen

        self.services.transfers.add(transfer)
        await self.switch_mode(TRANSFERS)
        if isinstance(self.screen, TransfersScreen):
            self.screen.reveal(transfer.name)

    @on(DuelAsked)
    def _open_duel(self, message: DuelAsked) -> None:
        from kdmgr.tui.screens.duel import DuelScreen

        self.push_screen(DuelScreen(self.services, message))

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
        """Leave; ask first while something runs."""
        reasons = self._at_stake()
        if not reasons:
            self.exit()
            return
        from kdmgr.tui.screens.confirm import ConfirmScreen

        if not isinstance(self.screen, ConfirmScreen):
            question = ConfirmScreen(f"{reasons} Leave kdmgr?", "Leave")
            self.push_screen(question, lambda leave: self.exit() if leave else None)

    def _at_stake(self) -> str:
        """Sentences about what leaving would stop."""
        from kdmgr.tui.screens.duel import DuelScreen

        n_streaming = len(self.chats.streaming)
        sentences = ["An answer is still streaming."] if n_streaming == 1 else []
        sentences += [f"{n_streaming} answers are still streaming."] if n_streaming > 1 else []
        if any(isinstance(screen, DuelScreen) and screen.streaming for screen in self.open_screens()):
            sentences.append("A duel is under way.")
        transfers = describe_running(self.services.transfers.states())
        return " ".join([*sentences, transfers] if transfers else sentences)


def help_sections() -> tuple[Section, ...]:
    """What the help lists, by where the keys work."""
    from kdmgr.tui.screens.chats import ChatsScreen
    from kdmgr.tui.screens.duel import DuelScreen
    from kdmgr.tui.screens.facets import FacetsScreen
    from kdmgr.tui.screens.find import FindScreen
    from kdmgr.tui.screens.help import Section
    from kdmgr.tui.screens.import_ import ImportScreen
    from kdmgr.tui.screens.ladder import LadderScreen
    from kdmgr.tui.screens.machine import MachineScreen
    from kdmgr.tui.screens.modelfile import ModelfileScreen
    from kdmgr.tui.screens.receipt import ReceiptScreen
    from kdmgr.tui.screens.settings import SettingsScreen
    from kdmgr.tui.screens.transfers import TransfersScreen
    from kdmgr.tui.widgets.chat_input import ChatInput
    from kdmgr.tui.widgets.chat_table import ChatTable
    from kdmgr.tui.widgets.file_picker import GgufTree
    from kdmgr.tui.widgets.filter_input import FilterInput
    from kdmgr.tui.widgets.find_tables import FindInput, FindsTable, QuantsTable
    from kdmgr.tui.widgets.keyed_table import KeyedTable
    from kdmgr.tui.widgets.machine_tables import HostsTable, LoadedTable
    from kdmgr.tui.widgets.modelfile_area import ModelfileArea
    from kdmgr.tui.widgets.setting_tables import KeysTable, SettingsTable
    from kdmgr.tui.widgets.student_table import StudentTable
    from kdmgr.tui.widgets.transfer_table import TransferTable

    return (
        Section("Students", (StudentTable, StudentsScreen)),
        Section("In the filter", (FilterInput,)),
        Section("In the facets", (FacetsScreen,)),
        Section("On the Hub", (FindInput, FindsTable, QuantsTable, FindScreen)),
        Section("Ladder", (LadderScreen,)),
        Section("Chats", (ChatTable, ChatsScreen)),
        Section("In a chat", (ChatInput, ChatScreen)),
        Section("Duel", (DuelScreen,)),
        Section("Transfers", (TransferTable, TransfersScreen)),
        Section("Receipt", (ReceiptScreen,)),
        Section("Import", (GgufTree, ImportScreen)),
        Section("Modelfile", (ModelfileArea, ModelfileScreen)),
        Section("Machine", (LoadedTable, HostsTable, MachineScreen, KeyedTable)),
        Section("Settings", (SettingsTable, KeysTable, SettingsScreen, KeyedTable)),
        Section("Everywhere", (KdmgrApp,)),
    )
