"""What could be done about a model that does not fit: unload another, or get a larger card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kdmgr.fit.plan import FitReport, Verdict
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.fit.options import RunOptions

Loaded = Sequence[tuple[str, int]]
"""Names of loaded models, and the bytes that each holds on the device."""


def with_advice(report: FitReport, options: RunOptions, loaded: Loaded) -> FitReport:
    """`report` with more alternatives, each tried out; unchanged when the model fits."""
    if report.verdict in (Verdict.FITS, Verdict.UNKNOWN):
        return report
    found = [*_unloading(report, options, loaded), *_smallest_card(report, options)]
    return replace(report, alternatives=(*report.alternatives, *found))


def _unloading(report: FitReport, options: RunOptions, loaded: Loaded) -> list[str]:
    from kdmgr.fit.solve import least_to_unload

    if report.machine.declared:
        return []
    chosen = least_to_unload(report.shape, report.machine, options, loaded)
    if chosen is None:
        return []
    names = " and ".join(name for name, _ in chosen)
    return [f"unload {names} ({format_bytes(sum(size for _, size in chosen))}): then it fits"]


def _smallest_card(report: FitReport, options: RunOptions) -> list[str]:
    from kdmgr.fit.solve import smallest_device
    from kdmgr.hardware.declared import declare_device
    from kdmgr.hardware.table import desktop_cards

    planned = replace(options, n_ctx=report.options.n_ctx)
    cards = [declare_device(card) for card in desktop_cards()]
    card = smallest_device(report.shape, report.machine, planned, cards)
    if card is None:
        return ["no single card that is listed holds all of it with this context"]
    return [f"the smallest card that holds all of it: {card.name} with {format_bytes(card.total_bytes)}"]
