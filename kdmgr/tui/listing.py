"""Which rows are shown, and in what order. Pure.

What does not change between two key strokes is kept: the texts that are searched, the facets, the order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from kdmgr.catalog.retention import shared_benchmark
from kdmgr.fit.plan import Verdict
from kdmgr.services.choosing import kept, pace
from kdmgr.services.facets import FIT, FITS, GROUPS, Facet, facets_of
from kdmgr.tui.plans import size_of, speed_of
from kdmgr.tui.words import verdict_of

if TYPE_CHECKING:
    from kdmgr.catalog.students import Student
    from kdmgr.services.rows import ModelRow
    from kdmgr.tui.plans import Judge

SORTS = ("name", "fit", "size", "speed", "context", "teacher", "kept")
_RANKS = {
    Verdict.FITS: 0,
    Verdict.TIGHT: 1,
    Verdict.PARTIAL: 2,
    Verdict.CPU: 3,
    Verdict.UNKNOWN: 4,
    Verdict.TOO_BIG: 5,
}
_NO_FACETS: frozenset[Facet] = frozenset()


@dataclass(frozen=True, slots=True)
class View:
    """What the user asked the table to show."""

    query: str = ""
    sort: str = "name"
    installed_only: bool = False
    facets: frozenset[Facet] = _NO_FACETS

    def next_sort(self) -> View:
        """Sorted by the next column."""
        return replace(self, sort=SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)])

    def toggle(self, facet: Facet) -> View:
        """With the facet, or without it."""
        return replace(self, facets=self.facets ^ {facet})


def merge(disk: Sequence[ModelRow], server: Sequence[ModelRow], *, same_disk: bool = True) -> list[ModelRow]:
    """One row for each model: a server's list holds what stands in Ollama's store, and what the catalog knows.

    A server on another computer has models of its own, whatever they are called.
    """
    stored = {row.name for row in disk if row.origin == "ollama" and same_disk}
    served = [row for row in server if row.name not in stored]
    present = {row.match.student.id for row in served if row.match and row.match.relation == "itself"}
    known = [row for row in disk if row.installed or row.match is None or row.match.student.id not in present]
    return list({row.key: row for row in (*served, *known)}.values())


class Entry(NamedTuple):
    """A row, with what is searched in it."""

    row: ModelRow
    text: str
    facets: frozenset[Facet]


Test = Callable[[Entry], bool]


class Listing:
    """The rows, and what the view makes of them."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._entries: list[Entry] = []
        self._ordered: tuple[str, str | None] | None = None
        """The order that `_entries` stand in, and the benchmark that it goes by."""
        self._narrowed: tuple[frozenset[Facet], bool, list[Entry]] | None = None
        self._kept: dict[str, float | None] = {}
        self.rows: Sequence[ModelRow] = ()
        self.benchmark: str | None = None
        """What retention goes by: the benchmark that most of the shown students share. Nothing is averaged."""
        self.good: tuple[Verdict, ...] = (Verdict.FITS, Verdict.TIGHT)
        """The verdicts that count as fitting."""

    def set_rows(self, rows: Sequence[ModelRow]) -> None:
        """There are other rows."""
        known: dict[str, frozenset[Facet]] = {}
        self.rows = rows
        self._entries = [_enter(row, known) for row in rows]
        self._ordered = self._narrowed = None

    def outdate(self) -> None:
        """Verdicts and speeds have changed: an order by them does not hold any more."""
        self._narrowed = None
        if self._ordered and self._ordered[0] in ("fit", "speed", "size"):
            self._ordered = None

    def arrange(self, view: View) -> list[ModelRow]:
        """The rows of `view`: installed ones first, each group sorted, unknown values last."""
        narrowed = self._narrow(view)
        if self._ordered != (view.sort, self.benchmark if view.sort == "kept" else None):
            self._order(view.sort)
            narrowed = self._narrow(view)
        for test in self._tests(view):
            narrowed = [entry for entry in narrowed if test(entry)]
        return [entry.row for entry in narrowed]

    def kept(self, row: ModelRow) -> float | None:
        """The share of its teacher's score on `benchmark` that the student kept; None for a model made from one."""
        match = row.match
        if match is None or match.relation != "itself":
            return None
        student = match.student
        if student.id not in self._kept:
            self._kept[student.id] = kept(student, self.benchmark)
        return self._kept[student.id]

    def count_facets(self, view: View) -> Counter[Facet]:
        """How many rows each facet would show beside what the other groups leave."""
        tests, wanted = self._tests(view), self._group_tests(view.facets)
        counts: Counter[Facet] = Counter()
        for entry in self._entries:
            if (view.installed_only and not entry.row.installed) or not all(test(entry) for test in tests):
                continue
            failed = [group for group, test in wanted.items() if not test(entry)]
            if len(failed) > 1:
                continue
            found = entry.facets | {Facet(FIT, FITS)} if self._fits(entry) else entry.facets
            counts.update(facet for facet in found if not failed or facet.group == failed[0])
        return counts

    def count_fits(self, view: View) -> int | None:
        """How many of the rows that the other groups leave fit; None while nothing is judged."""
        others = frozenset(facet for facet in view.facets if facet.group != FIT)
        rest = self._narrow(view) if others == view.facets else self._filter(replace(view, facets=others))
        verdicts = [judged.verdict for entry in rest if (judged := self._judge(entry.row)) is not None]
        return sum(verdict in self.good for verdict in verdicts) if verdicts else None

    def _narrow(self, view: View) -> list[Entry]:
        """What facets leave; kept until they change."""
        if self._narrowed is None or self._narrowed[:2] != (view.facets, view.installed_only):
            entries = self._filter(view)
            self._narrowed = (view.facets, view.installed_only, entries)
            self._choose_benchmark(entry.row for entry in entries)
        return self._narrowed[2]

    def _filter(self, view: View) -> list[Entry]:
        tests = tuple(self._group_tests(view.facets).values())
        return [
            entry
            for entry in self._entries
            if (entry.row.installed or not view.installed_only) and all(test(entry) for test in tests)
        ]

    def _choose_benchmark(self, rows: Iterable[ModelRow]) -> None:
        students: dict[str, Student] = {
            row.match.student.id: row.match.student for row in rows if row.match and row.match.relation == "itself"
        }
        found = shared_benchmark(students.values())
        if found != self.benchmark:
            self.benchmark = found
            self._kept.clear()

    def _order(self, sort: str) -> None:
        key = _KEYS[sort]
        self._entries.sort(key=lambda entry: entry.row.name.casefold())
        if sort != "name":
            self._entries.sort(key=lambda entry: key(self, entry.row))
        self._entries.sort(key=lambda entry: not entry.row.installed)
        self._ordered = (sort, self.benchmark if sort == "kept" else None)
        self._narrowed = None

    def _tests(self, view: View) -> list[Test]:
        """What each word of the query asks for: `teacher:qwen`, `fits`, `installed`, or anything of the text."""
        return [self._test(word) for word in view.query.casefold().split()]

    def _test(self, word: str) -> Test:
        group, colon, value = word.partition(":")
        group = "licence" if group == "license" else group
        if colon and group in GROUPS:
            return partial(_has_facet, group, value)
        if word == FITS:
            return self._fits
        if word == "installed":
            return lambda entry: entry.row.installed
        judge, meant = self._judge, [verdict for verdict in Verdict if word in verdict.value]
        if not meant:
            return lambda entry: word in entry.text
        return lambda entry: word in entry.text or verdict_of(judge(entry.row)) in meant

    def _group_tests(self, facets: frozenset[Facet]) -> Mapping[str, Test]:
        tests: dict[str, Test] = {}
        for group in {facet.group for facet in facets}:
            wanted = frozenset(facet for facet in facets if facet.group == group)
            tests[group] = self._fits if group == FIT else partial(_has_any, wanted)
        return tests

    def _fits(self, entry: Entry) -> bool:
        return verdict_of(self._judge(entry.row)) in self.good

    def fit_rank(self, row: ModelRow) -> tuple[bool, float]:
        """Best first."""
        return False, _RANKS[verdict_of(self._judge(row))]

    def size_rank(self, row: ModelRow) -> tuple[bool, float]:
        """Smallest first."""
        size = size_of(row, self._judge(row))
        return size is None, size or 0

    def speed_rank(self, row: ModelRow) -> tuple[bool, float]:
        """Fastest first."""
        return _falling(pace(speed_of(self._judge(row))))


def _enter(row: ModelRow, known: dict[str, frozenset[Facet]]) -> Entry:
    text = " ".join(filter(None, (row.name, row.quant, row.teacher, row.origin))).casefold()
    if row.match is None:
        return Entry(row, text, _NO_FACETS)
    student = row.match.student
    if student.id not in known:
        known[student.id] = facets_of(student)
    return Entry(row, text, known[student.id])


def _has_facet(group: str, value: str, entry: Entry) -> bool:
    return any(facet.group == group and value in facet.value.casefold() for facet in entry.facets)


def _has_any(wanted: frozenset[Facet], entry: Entry) -> bool:
    return not wanted.isdisjoint(entry.facets)


def _falling(value: float | None) -> tuple[bool, float]:
    return value is None, -(value or 0)


_KEYS: dict[str, Callable[[Listing, ModelRow], tuple[bool, float | str]]] = {
    "name": lambda listing, row: (False, ""),
    "fit": Listing.fit_rank,
    "size": Listing.size_rank,
    "speed": Listing.speed_rank,
    "context": lambda listing, row: _falling(row.n_ctx_train),
    "teacher": lambda listing, row: (row.teacher is None, (row.teacher or "").casefold()),
    "kept": lambda listing, row: _falling(listing.kept(row)),
}
"""Unknown or not, then the value: large speeds, contexts and shares first, everything else small first."""
