"""What the user asked the table of students to show. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kdmgr.services.facets import Facet

SORTS = ("best", "name", "fit", "size", "speed", "context", "teacher", "kept")
JUDGED_SORTS = frozenset({"best", "fit", "size", "speed", "context"})
"""Those that follow from the plans, and change with them."""
COMPARED_SORTS = frozenset({"best", "kept"})
"""Those that follow from the benchmark that students are compared on."""
_NO_FACETS: frozenset[Facet] = frozenset()


@dataclass(frozen=True, slots=True)
class View:
    """What the user asked the table to show."""

    query: str = ""
    sort: str = SORTS[0]
    """One of `SORTS`; "best" is the rule of `kdmgr recommend`, for chats."""
    reverse: bool = False
    """The other way round; installed ones stay first, and unknown values last."""
    installed_only: bool = False
    facets: frozenset[Facet] = _NO_FACETS

    def next_sort(self) -> View:
        """Sorted by the next column."""
        return self.sort_by(SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)])

    def sort_by(self, sort: str) -> View:
        """Sorted by this column; by the one it is sorted by already, the other way round."""
        return replace(self, reverse=not self.reverse) if sort == self.sort else replace(self, sort=sort, reverse=False)

    def show_all(self) -> View:
        """In the same order, narrowed by nothing."""
        return View(sort=self.sort, reverse=self.reverse)

    def toggle(self, facet: Facet) -> View:
        """With the facet, or without it."""
        return replace(self, facets=self.facets ^ {facet})
