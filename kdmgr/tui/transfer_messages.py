"""What is reported of transfers, and of what they change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from kdmgr.services.leftovers import Leftover
    from kdmgr.services.receipt_story import ReceiptStory
    from kdmgr.services.transfer_history import HistoryEntry
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
    past: tuple[HistoryEntry, ...]


@dataclass
class ModelShown(Message):
    """The user wants to see this model among the students."""

    name: str


@dataclass
class ReceiptTold(Message):
    """A receipt, with what is known beside it."""

    story: ReceiptStory
