"""What the search of the Hub needs of the services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdmgr.fit.options import RunOptions
    from kdmgr.refs import HubRef
    from kdmgr.services.discovery import Find, SearchResult
    from kdmgr.services.hub_desk import HubQuant
    from kdmgr.services.ladder import Ladder


class HubSearching(Protocol):
    """All but `link` block on the network. All raise `KdmgrError` for what a user can meet."""

    def search(self, words: str, sort: str, tell: Callable[[str], None]) -> SearchResult:
        """Repositories, those that nothing suggests to be students among them."""

    def quants(self, ref: HubRef, /) -> tuple[HubQuant, ...]:
        """What a repository holds, the smallest first."""

    def fit(self, ref: HubRef, options: RunOptions) -> Ladder:
        """Every quant of a repository, planned."""

    def with_evidence(self, find: Find, /) -> Find:
        """The same with what its model card claims."""

    def link(self, ref: HubRef, /) -> str:
        """The page of a repository."""


class FindServices(Protocol):
    """Searching the Hub."""

    @property
    def hub_desk(self) -> HubSearching:
        """What the search asks."""
