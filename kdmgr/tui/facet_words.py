"""Facets in words: the options of the list, and what the line above the table says. Pure."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from kdmgr.catalog.tasks import TASKS
from kdmgr.services.facets import FIT, FITS, GROUPS, OPEN, TASK, Facet
from kdmgr.tui.views import View
from kdmgr.tui.words import one_line

TITLES = {"fit": "on this machine", "task": "task", "method": "method", "licence": "licence", "teacher": "teacher"}


class Option(NamedTuple):
    """One line of the list: a heading has neither facet nor count."""

    label: str
    facet: Facet | None = None
    n_rows: int = 0
    chosen: bool = False


def list_options(counts: Counter[Facet], view: View) -> list[Option]:
    """Every option that would show something, or is chosen, under the heading of its group."""
    options: list[Option] = []
    for group in GROUPS:
        found = {facet for facet in counts if facet.group == group} | {
            facet for facet in view.facets if facet.group == group
        }
        if group == FIT:
            found.add(Facet(FIT, FITS))
        ordered = sorted(found, key=lambda facet: _place(facet, counts))
        options += [Option(TITLES[group])] if ordered else []
        options += [Option(describe(facet), facet, counts[facet], facet in view.facets) for facet in ordered]
    return options


def describe(facet: Facet) -> str:
    """One option, safe to show."""
    if facet.group == FIT:
        return "fits"
    if facet.group == TASK:
        return f"{facet.value}: {TASKS[facet.value].summary}"
    return "open: use, change and share freely" if facet.value == OPEN else one_line(facet.value)


def describe_chosen(view: View) -> list[tuple[str, Facet | None]]:
    """What narrows the table, each with the facet to take away; None for the installed ones."""
    chosen: list[tuple[str, Facet | None]] = [("installed", None)] if view.installed_only else []
    for facet in sorted(view.facets, key=lambda facet: (GROUPS.index(facet.group), facet.value)):
        chosen.append(("fits" if facet.group == FIT else f"{facet.group}: {one_line(facet.value)}", facet))
    return chosen


def _place(facet: Facet, counts: Counter[Facet]) -> tuple[bool, int, str]:
    """Open licences first, tasks in their own order, the rest by how many there are."""
    if facet.group == TASK:
        return False, list(TASKS).index(facet.value), ""
    return facet.value != OPEN, -counts[facet], facet.value.casefold()
