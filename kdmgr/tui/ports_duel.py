"""What the duel needs of the services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kdmgr.refs import ModelRef
    from kdmgr.services.duel import Duel, DuelOptions


class DuelServices(Protocol):
    """Two models, asked the same."""

    async def open_duel(self, left: ModelRef, right: ModelRef, options: DuelOptions) -> Duel:
        """Open both. Raises `KdmgrError` where one cannot be had."""
