"""The places of the app: where the tabs at the top lead. Each is opened when it is first visited."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from textual.screen import Screen

    from kdmgr.tui.ports import AppServices


class Place(NamedTuple):
    """One tab. `mode` is the name of its stack of screens."""

    mode: str
    title: str
    open: Callable[[AppServices], Screen[Any]]


def _open_students(services: AppServices) -> Screen[Any]:
    from kdmgr.tui.screens.students import StudentsScreen

    return StudentsScreen(services)


def _open_chats(services: AppServices) -> Screen[Any]:
    from kdmgr.tui.screens.chats import ChatsScreen

    return ChatsScreen(services)


def _open_transfers(services: AppServices) -> Screen[Any]:
    from kdmgr.tui.screens.transfers import TransfersScreen

    return TransfersScreen(services)


def _open_machine(services: AppServices) -> Screen[Any]:
    from kdmgr.tui.screens.machine import MachineScreen

    return MachineScreen(services)


def _open_settings(services: AppServices) -> Screen[Any]:
    from kdmgr.tui.screens.settings import SettingsScreen

    return SettingsScreen(services)


PLACES = (
    Place("students", "Students", _open_students),
    Place("chats", "Chats", _open_chats),
    Place("transfers", "Transfers", _open_transfers),
    Place("machine", "Machine", _open_machine),
    Place("settings", "Settings", _open_settings),
)
HOME = PLACES[0].mode


def place_key(number: int) -> str:
    """The key that works in text fields too; F1 is the help."""
    return f"f{number + 1}"
