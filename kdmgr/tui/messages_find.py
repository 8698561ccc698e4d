"""What the workers of the search of the Hub report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from kdmgr.errors import KdmgrError
    from kdmgr.services.discovery import Find, SearchResult
    from kdmgr.services.hub_desk import HubQuant
    from kdmgr.services.ladder import Ladder
    from kdmgr.services.size_estimates import SizedStudent


@dataclass
class SearchTold(Message):
    """The question numbered `version` takes its time: why, in a sentence."""

    version: int
    sentence: str


@dataclass
class Searched(Message):
    """The question numbered `version` is answered; or why it is not."""

    version: int
    result: SearchResult | None
    error: KdmgrError | None = None


@dataclass
class FindsSized(Message):
    """What the students that were recognised would take; by their ids."""

    version: int
    sized: Mapping[str, SizedStudent]


@dataclass
class QuantsListed(Message):
    """What the repository holds; or why that is not known."""

    repo: str
    quants: tuple[HubQuant, ...]
    error: KdmgrError | None = None


@dataclass
class QuantsFitted(Message):
    """Every quant of the repository is planned; or why not."""

    repo: str
    ladder: Ladder | None
    error: KdmgrError | None = None


@dataclass
class EvidenceRead(Message):
    """The model cards of a find have been read; or why not."""

    repo: str
    find: Find | None
    error: KdmgrError | None = None
