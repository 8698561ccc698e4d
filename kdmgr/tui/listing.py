"""Which rows are shown, and in what order. Pure.

What does not change between two key strokes is kept: the texts that are searched, the facets, the order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from kdmgr.catalog.retention import shared_benchmark
from kdmgr.catalog.tasks import chats
from kdmgr.fit.plan import Verdict
from kdmgr.services.choosing import kept, pace
from kdmgr.services.facets import FIT, FITS, Facet, facets_of
from kdmgr.services.ranking import Standing, order_of
from kdmgr.tui.plans import context_of, size_of, speed_of
from kdmgr.tui.queries import INSTALLED, TEXT, Word, narrows, read_words
from kdmgr.tui.views import COMPARED_SORTS, JUDGED_SORTS, View
from kdmgr.tui.words import verdict_of

if TYPE_CHECKING:
    from kdmgr.catalog.students import Student
    from kdmgr.services.rows import ModelRow
    from kdmgr.tui.plans import Judge

_RANKS = {
    Verdict.FITS: 0,
    Verdict.TIGHT: 1,
    Verdict.PARTIAL: 2,
    Verdict.CPU: 3,
    Verdict.UNKNOWN: 4,
    Verdict.TOO_BIG: 5,
}
_NO_FACETS: frozenset[Facet] = frozenset()


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
        self._facets: frozenset[Facet] = _NO_FACETS
        self._ordered: tuple[str, bool, str | None] | None = None
        """The order that `_entries` stand in, whether it is turned round, and the benchmark that it goes by."""
        self._narrowed: tuple[frozenset[Facet], bool, list[Entry]] | None = None
        self._found: tuple[list[Entry], tuple[Word, ...], list[Entry]] | None = None
        """What a query found last: among which entries, by which words."""
        self._verdicts: dict[str, Verdict] = {}
        """By the keys of rows that are judged."""
        self._kept: dict[str, float | None] = {}
        self._best: dict[tuple[str, Verdict, float | None, float | None], tuple[Any, ...]] = {}
        """Ranks by all they follow from: many rows are of one student."""
        self.rows: Sequence[ModelRow] = ()
        self.n_installed = 0
        self.benchmark: str | None = None
        """What retention goes by: the benchmark that most of the shown students share. Nothing is averaged."""
        self.good: tuple[Verdict, ...] = (Verdict.FITS, Verdict.TIGHT)
        """The verdicts that count as fitting."""

    def set_rows(self, rows: Sequence[ModelRow]) -> None:
        """There are other rows."""
        known: dict[str, frozenset[Facet]] = {}
        self.rows = rows
        self.n_installed = sum(row.installed for row in rows)
        self._entries = [_enter(row, known) for row in rows]
        self._facets = _NO_FACETS.union(*known.values())
        self._ordered = self._narrowed = None
        self._verdicts.clear()
        self._best.clear()

    def outdate(self) -> None:
        """Verdicts and speeds have changed: an order by them does not hold any more."""
        self._narrowed = None
        self._verdicts.clear()
        if self._ordered and self._ordered[0] in JUDGED_SORTS:
            self._ordered = None

    def arrange(self, view: View) -> list[ModelRow]:
        """The rows of `view`: installed ones first, each group sorted, unknown values last."""
        narrowed = self._narrow(view)
        if self._ordered != self._order_now(view.sort, reverse=view.reverse):
            self._order(view.sort, reverse=view.reverse)
            narrowed = self._narrow(view)
        return [entry.row for entry in self._find(narrowed, read_words(view.query))]

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
        wanted = self._group_tests(view.facets)
        counts: Counter[Facet] = Counter()
        for entry in self._sift(self._present(view), read_words(view.query)):
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
        n_fits = sum(self._fits(entry) for entry in rest)
        return n_fits if any(entry.row.key in self._verdicts for entry in rest) else None

    def _narrow(self, view: View) -> list[Entry]:
        """What facets leave; kept until they change."""
        if self._narrowed is None or self._narrowed[:2] != (view.facets, view.installed_only):
            entries = self._filter(view)
            self._narrowed = (view.facets, view.installed_only, entries)
            self._choose_benchmark(entry.row for entry in entries)
        return self._narrowed[2]

    def _filter(self, view: View) -> list[Entry]:
        tests = tuple(self._group_tests(view.facets).values())
        present = self._present(view)
        return [entry for entry in present if all(test(entry) for test in tests)] if tests else present

    def _present(self, view: View) -> list[Entry]:
        return [entry for entry in self._entries if entry.row.installed or not view.installed_only]

    def _find(self, entries: list[Entry], words: tuple[Word, ...]) -> list[Entry]:
        """What the query finds among `entries`: while it is typed on, among those that it found before."""
        before = self._found
        known = before is not None and before[0] is entries and narrows(words, before[1])
        found = self._sift(before[2] if known and before is not None else entries, words)
        self._found = (entries, words, found)
        return found

    def _choose_benchmark(self, rows: Iterable[ModelRow]) -> None:
        students: dict[str, Student] = {
            row.match.student.id: row.match.student for row in rows if row.match and row.match.relation == "itself"
        }
        found = shared_benchmark(students.values())
        if found != self.benchmark:
            self.benchmark = found
            self._kept.clear()

    def _order(self, sort: str, *, reverse: bool) -> None:
        key = _KEYS[sort]
        self._entries.sort(key=lambda entry: entry.row.name.casefold(), reverse=reverse and sort == "name")
        if sort != "name":
            self._entries.sort(key=lambda entry: key(self, entry.row)[1], reverse=reverse)
            self._entries.sort(key=lambda entry: key(self, entry.row)[0])
        self._entries.sort(key=lambda entry: not entry.row.installed)
        self._ordered = self._order_now(sort, reverse=reverse)
        self._narrowed = None

    def _order_now(self, sort: str, *, reverse: bool) -> tuple[str, bool, str | None]:
        return sort, reverse, self.benchmark if sort in COMPARED_SORTS else None

    def _sift(self, entries: list[Entry], words: tuple[Word, ...]) -> list[Entry]:
        """The entries that every word holds for."""
        for kind, value in words:
            if kind == TEXT:
                entries = self._search(entries, value)
            elif kind == FITS:
                entries = [entry for entry in entries if self._fits(entry)]
            elif kind == FIT:
                entries = [entry for entry in entries if value in self._verdict(entry.row).value]
            elif kind == INSTALLED:
                entries = [entry for entry in entries if entry.row.installed]
            else:
                entries = self._search_facets(entries, kind, value)
        return entries

    def _search(self, entries: list[Entry], word: str) -> list[Entry]:
        """A word of the row, or of its verdict."""
        meant = [verdict for verdict in Verdict if word in verdict.value]
        if not meant:
            return [entry for entry in entries if word in entry.text]
        return [entry for entry in entries if word in entry.text or self._verdict(entry.row) in meant]

    def _verdict(self, row: ModelRow) -> Verdict:
        """Asked for once, as soon as there is one."""
        known = self._verdicts.get(row.key)
        if known is None:
            judged = self._judge(row)
            known = verdict_of(judged)
            if judged is not None:
                self._verdicts[row.key] = known
        return known

    def _search_facets(self, entries: list[Entry], group: str, value: str) -> list[Entry]:
        wanted = {facet for facet in self._facets if facet.group == group and value in facet.value.casefold()}
        return [entry for entry in entries if not wanted.isdisjoint(entry.facets)]

    def _group_tests(self, facets: frozenset[Facet]) -> Mapping[str, Test]:
        tests: dict[str, Test] = {}
        for group in {facet.group for facet in facets}:
            wanted = frozenset(facet for facet in facets if facet.group == group)
            tests[group] = self._fits if group == FIT else partial(_has_any, wanted)
        return tests

    def _fits(self, entry: Entry) -> bool:
        return self._verdict(entry.row) in self.good

    def best_rank(self, row: ModelRow) -> tuple[bool, tuple[Any, ...]]:
        """By the rule that recommends; what does not chat comes after all that does."""
        if row.match is None:
            return True, ()
        student, speed = row.match.student, speed_of(self._judge(row))
        asked = student.id, self._verdict(row), pace(speed), self.kept(row)
        if asked not in self._best:
            self._best[asked] = not chats(student), *order_of(Standing(student, asked[1], speed, asked[3]))
        return False, self._best[asked]

    def fit_rank(self, row: ModelRow) -> tuple[bool, float]:
        """Best first."""
        return False, _RANKS[self._verdict(row)]

    def size_rank(self, row: ModelRow) -> tuple[bool, float]:
        """Smallest first."""
        size = size_of(row, self._judge(row))
        return size is None, size or 0

    def context_rank(self, row: ModelRow) -> tuple[bool, float]:
        """Longest first."""
        return _falling(context_of(row, self._judge(row)))

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


def _has_any(wanted: frozenset[Facet], entry: Entry) -> bool:
    return not wanted.isdisjoint(entry.facets)


def _falling(value: float | None) -> tuple[bool, float]:
    return value is None, -(value or 0)


_KEYS: dict[str, Callable[[Listing, ModelRow], tuple[bool, Any]]] = {
    "best": Listing.best_rank,
    "name": lambda listing, row: (False, ""),
    "fit": Listing.fit_rank,
    "size": Listing.size_rank,
    "speed": Listing.speed_rank,
    "context": Listing.context_rank,
    "teacher": lambda listing, row: (row.teacher is None, (row.teacher or "").casefold()),
    "kept": lambda listing, row: _falling(listing.kept(row)),
}
"""Unknown or not, then the value: large speeds, contexts and shares first, everything else small first."""
