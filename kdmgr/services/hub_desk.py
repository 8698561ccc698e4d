"""What a screen that searches the Hub asks. All of it blocks on the network, and raises `KdmgrError`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.refs import HubRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdmgr.fit.options import RunOptions
    from kdmgr.services.app import Services
    from kdmgr.services.discovery import Find, SearchResult
    from kdmgr.services.ladder import Ladder


@dataclass(frozen=True, slots=True)
class HubQuant:
    """One model of a repository, as the Hub lists its files."""

    ref: HubRef
    """How to pull it."""
    size: int
    """Bytes of all its files."""
    missing: int
    """Shards that the repository does not have."""

    @property
    def label(self) -> str:
        """Its quant, else its file."""
        return self.ref.quant or self.ref.file or "?"


class HubDesk:
    """Each question is a part of `kdmgr search` too."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def search(self, words: str, sort: str, tell: Callable[[str], None]) -> SearchResult:
        """Every repository that the Hub names in one answer; `tell` is told of waits."""
        from kdmgr.services.discovery import CANDIDATES, Search, search_hub

        return search_hub(self._services, Search(words, sort, CANDIDATES, everything=True), tell)

    def quants(self, ref: HubRef) -> tuple[HubQuant, ...]:
        """What a repository holds, the smallest first."""
        repo = self._services.hub.repo(ref)
        return tuple(HubQuant(repo.ref_of(ref, model), model.size, model.missing) for model in repo.models)

    def fit(self, ref: HubRef, options: RunOptions) -> Ladder:
        """Every quant of a repository, planned from its header."""
        return self._services.fit_quants(ref, None, options)

    def with_evidence(self, find: Find) -> Find:
        """`find` with the sentence of a model card that claims distillation, where one does."""
        from kdmgr.services.card_evidence import CardReader

        return CardReader(self._services.hub_index(lambda sentence: None)).with_evidence(find)

    def link(self, ref: HubRef) -> str:
        """The page of a repository; asks nobody."""
        return f"{self._services.hub.endpoint}/{ref.user}/{ref.repo}"
