"""Rows of the table that are to be removed: where each stands, and what removing all of them frees."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.refs import OllamaRef
from kdmgr.services.library import OWN
from kdmgr.services.removing import Freed, describe_freed, would_free
from kdmgr.services.stock import SERVER, Held, Stock, take_stock
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.services.app import Services
    from kdmgr.services.rows import ModelRow


@dataclass(frozen=True, slots=True)
class Removal:
    """What can be removed of what was asked for."""

    chosen: tuple[Held, ...]
    freed: Freed
    why_not_exact: str | None
    """Why only a bound of what is freed is known."""
    problems: tuple[str, ...] = ()
    """A sentence for each row that cannot be removed."""

    @property
    def question(self) -> str:
        """What goes, and what that frees."""
        n = len(self.chosen)
        what = self.chosen[0].name if n == 1 else f"these {n} models"
        return f"Remove {printable(what)} and free {describe_freed(self.freed, self.why_not_exact)}?"


def plan_removal(services: Services, rows: Sequence[ModelRow]) -> Removal:
    """Look where the models of `rows` are held. Blocks on the network; not for a running event loop."""
    stock = asyncio.run(take_stock(services))
    found = [(row, _find(stock, row)) for row in rows]
    chosen = tuple(held for _, held in found if held is not None)
    problems = tuple(_why_not(row, stock) for row, held in found if held is None)
    return Removal(chosen, would_free(services, stock, chosen), stock.disk.why_not, problems)


def _find(stock: Stock, row: ModelRow) -> Held | None:
    if not isinstance(row.ref, OllamaRef):
        return None
    return stock.find(OWN if row.origin == OWN else SERVER, row.ref)


def _why_not(row: ModelRow, stock: Stock) -> str:
    name = printable(row.name)
    if not row.installed:
        return f"{name} is not installed"
    if stock.server_problem is not None and row.origin != OWN:
        return f"{name} is in Ollama's store, which only its server changes; {stock.server_problem.message}"
    return f"{name} is not there any more"
