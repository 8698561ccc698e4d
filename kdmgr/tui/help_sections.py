"""What the help lists, by where the keys work."""

from __future__ import annotations

from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.help_words import EVERYWHERE, Section
from kdmgr.tui.screens.chat import ChatScreen
from kdmgr.tui.screens.chats import ChatsScreen
from kdmgr.tui.screens.duel import DuelScreen
from kdmgr.tui.screens.facets import FacetsScreen
from kdmgr.tui.screens.find import FindScreen
from kdmgr.tui.screens.help import HelpScreen
from kdmgr.tui.screens.import_ import ImportScreen
from kdmgr.tui.screens.ladder import LadderScreen
from kdmgr.tui.screens.machine import MachineScreen
from kdmgr.tui.screens.modelfile import ModelfileScreen
from kdmgr.tui.screens.receipt import ReceiptScreen
from kdmgr.tui.screens.settings import SettingsScreen
from kdmgr.tui.screens.students import StudentsScreen
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


def help_sections() -> tuple[Section, ...]:
    """Every place, screen and field that has keys of its own."""
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
        Section("In the help", (HelpScreen,)),
        Section(EVERYWHERE, (KdmgrApp,)),
    )
