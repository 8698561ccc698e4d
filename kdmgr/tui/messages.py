"""What the workers report. Each carries what tells a stale one: a row's key, a generation, a version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdmgr.errors import KdmgrError
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.plan import FitReport
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.history.chat_records import ChatRecord
    from kdmgr.services.rows import ModelRow
    from kdmgr.services.ui_state import Value


@dataclass
class MachineFound(Message):
    """The machine has been looked at; None and the reason when that failed."""

    generation: int
    machine: Machine | None
    error: KdmgrError | None = None


@dataclass
class RowsFound(Message):
    """Models from one place: "disk" or "server"."""

    generation: int
    place: str
    rows: list[ModelRow]


@dataclass
class RowsFailed(Message):
    """The models of one place could not be listed."""

    generation: int
    place: str
    error: KdmgrError


@dataclass
class HeaderRead(Message):
    """A model's header has been read."""

    generation: int
    key: str
    shape: ModelShape
    source: str
    machine: Machine | None = None
    """The other computer that would run it; None for this one."""


@dataclass
class HeaderFailed(Message):
    """A model's header cannot be read."""

    generation: int
    key: str
    error: KdmgrError
    on_server: bool = False
    """Whether only a server is known to have the model."""


@dataclass
class Planned(Message):
    """A model has been planned under the question numbered `version`."""

    version: int
    key: str
    report: FitReport


@dataclass
class AssessingDone(Message):
    """Every header that could be read has been."""

    generation: int


@dataclass
class SavedChatsFound(Message):
    """The saved chats in which the words of `query` stand; or why they could not be read."""

    query: str
    chats: list[ChatRecord]
    error: KdmgrError | None = None


@dataclass
class ChatAsked(Message):
    """The user wants to chat with an installed model, in this context."""

    row: ModelRow
    n_ctx: int | None
    cache_type: str | None


@dataclass
class HostChanged(Message):
    """Another server is used from now on."""


@dataclass
class StateChanged(Message):
    """Something is to be found as it is now when the app is opened again."""

    part: str
    values: Mapping[str, Value]


@dataclass
class SettingChanged(Message):
    """A setting has been written."""

    key: str
