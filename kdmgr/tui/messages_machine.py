"""What the workers of the machine place report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from kdmgr.errors import KdmgrError
    from kdmgr.services.hosts import HostCheck
    from kdmgr.services.load_history import LoadHistory
    from kdmgr.services.monitoring import Loaded, MachineSample


@dataclass
class Sampled(Message):
    """This machine at one moment."""

    sample: MachineSample


@dataclass
class LoadedSeen(Message):
    """What is in memory."""

    loaded: Loaded


@dataclass
class HostsChecked(Message):
    """What every server answered."""

    checks: list[HostCheck]


@dataclass
class HistoryRead(Message):
    """Loads, predicted against actual; None and the reason when the history cannot be read."""

    history: LoadHistory | None
    error: KdmgrError | None = None
