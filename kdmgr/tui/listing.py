"""Which rows are shown, and in what order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdmgr.fit.plan import FitReport, Verdict
from kdmgr.tui.words import verdict_of

if TYPE_CHECKING:
    from kdmgr.services.rows import ModelRow
    from kdmgr.tui.plans import Problem

    Judge = Callable[[ModelRow], FitReport | Problem | None]

SORTS = ("name", "fit", "size", "speed", "context", "teacher")
_RANKS = {
    Verdict.FITS: 0,
    Verdict.TIGHT: 1,
    Verdict.PARTIAL: 2,
    Verdict.CPU: 3,
    Verdict.UNKNOWN: 4,
    Verdict.TOO_BIG: 5,
}


@dataclass(frozen=True, slots=True)
class View:
    """What the user asked the table to show."""

    query: str = ""
    sort: str = "name"
    installed_only: bool = False

    def next_sort(self) -> View:
        """Sorted by the next column."""
        return replace(self, sort=SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)])


def merge(disk: Sequence[ModelRow], server: Sequence[ModelRow], *, same_disk: bool = True) -> list[ModelRow]:
    """One row for each model: a server's list holds what stands in Ollama's store, and what the catalog knows.

    A server on another computer has models of its own, whatever they are called.
    """
    stored = {row.name for row in disk if row.origin == "ollama" and same_disk}
    served = [row for row in server if row.name not in stored]
    present = {row.match.student.id for row in served if row.match and row.match.relation == "itself"}
    known = [row for row in disk if row.installed or row.match is None or row.match.student.id not in present]
    return list({row.key: row for row in (*served, *known)}.values())


def arrange(rows: Iterable[ModelRow], view: View, judge: Judge) -> list[ModelRow]:
    """The rows of `view`: installed ones first, each group sorted, unknown values last."""
    words = view.query.casefold().split()
    shown = [row for row in rows if (row.installed or not view.installed_only) and _matches(row, words, judge)]
    return sorted(shown, key=lambda row: (not row.installed, *_key(row, view.sort, judge), row.name.casefold()))


def _matches(row: ModelRow, words: list[str], judge: Judge) -> bool:
    if not words:
        return True
    verdict = verdict_of(judge(row)).value
    text = " ".join(filter(None, (row.name, row.quant, row.teacher, row.origin, verdict))).casefold()
    return all(word in text for word in words)


def _key(row: ModelRow, sort: str, judge: Judge) -> tuple[bool, float | str]:
    """Unknown or not, then the value: large speeds and contexts first, everything else small first."""
    if sort == "fit":
        return False, _RANKS[verdict_of(judge(row))]
    if sort == "size":
        return row.size_bytes is None, row.size_bytes or 0
    if sort == "speed":
        speed = _speed(judge(row))
        return speed is None, -(speed or 0)
    if sort == "context":
        return row.n_ctx_train is None, -(row.n_ctx_train or 0)
    if sort == "teacher":
        return row.teacher is None, (row.teacher or "").casefold()
    return False, ""


def _speed(judged: FitReport | Problem | None) -> float | None:
    if not isinstance(judged, FitReport) or judged.speed is None:
        return None
    return judged.speed.decode_tok_s or judged.speed.high_tok_s
