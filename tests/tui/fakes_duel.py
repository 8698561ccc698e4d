"""Duels for the screens: real ones between chats that always say the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from kdmgr.errors import KdmgrError
from kdmgr.refs import ModelRef
from kdmgr.services.duel import Duel, DuelOptions
from tests.support.duelling import duel_of


@dataclass
class FakeDuels:
    """Opens duels one after the other; without one at hand, between two that say almost the same."""

    duels: list[Duel] = field(default_factory=list)
    duel_error: KdmgrError | None = None
    duel_options: list[DuelOptions] = field(default_factory=list)

    async def open_duel(self, left: ModelRef, right: ModelRef, options: DuelOptions) -> Duel:
        self.duel_options.append(options)
        if self.duel_error is not None:
            raise self.duel_error
        return self.duels.pop(0) if self.duels else duel_of("The sea is wide.", "The sea is deep.")[0]
