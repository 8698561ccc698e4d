"""What is reported of transfers, and of what they change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from kdmgr.services.leftovers import Leftover
    from kdmgr.services.transfer_log import PastTransfer
    from kdmgr.services.transfer_state import TransferState


@dataclass
class TransfersChanged(Message):
    """How all transfers of the queue stand now."""

    states: tuple[TransferState, ...]


@dataclass
class ModelsChanged(Message):
    """A transfer or an edit has made a model: the lists are old."""


@dataclass
class EarlierFound(Message):
    """What earlier runs have left, and what they have done."""

    leftovers: tuple[Leftover, ...]
    past: tuple[PastTransfer, ...]


@dataclass
class ModelShown(Message):
    """The user wants to see this model among the students."""

    name: str
