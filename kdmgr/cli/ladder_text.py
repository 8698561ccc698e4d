"""`kdmgr fit hf.co/user/repo`: one row for each quant, for people and for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdmgr.cli.console import Console
from kdmgr.cli.fit_json import SCHEMA_VERSION, fit_object, teacher_object
from kdmgr.refs import HubRef
from kdmgr.services.wording import MARKS, short_speed
from kdmgr.units import format_bytes, format_count, printable

if TYPE_CHECKING:
    from kdmgr.services.ladder import Ladder
    from kdmgr.services.rows import Assessment
    from kdmgr.services.teachers import TeacherFit

HEADER = ("", "QUANT", "SIZE", "FIT", "CONTEXT", "MEMORY", "HEADROOM", "LARGEST", "TOK/S")


def print_ladder(ladder: Ladder, console: Console, teacher: TeacherFit | None = None) -> None:
    """The table, what to take of it, and what its teacher would take."""
    rows = [(_mark(ladder, rung), _name(rung), *_figures(rung)) for rung in ladder.rungs]
    console.table(HEADER, rows, right=(2, 4, 5, 6, 7, 8))
    notes = dict.fromkeys(note for rung in ladder.rungs for note in rung.notes)
    for sentence in (*notes, *ladder.problems):
        console.print(f"note: {printable(sentence)}")
    if ladder.recommended is not None:
        report = ladder.recommended.report
        why = f"the best quality that {report.verdict.value}" if report.verdict.value == "fits" else report.reason
        console.print(f"recommended: {printable(report.ref)}, {printable(why)}")
    if teacher is not None:
        from kdmgr.services.teachers import describe_teacher

        beside = ladder.recommended.report if ladder.recommended else None
        console.print(f"teacher: {printable(describe_teacher(teacher, beside))}")


def ladder_object(ladder: Ladder, teacher: TeacherFit | None = None) -> dict[str, Any]:
    """The same as plain JSON values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "ref": str(ladder.ref),
        "source": "huggingface",
        "recommended": ladder.recommended.report.ref if ladder.recommended else None,
        "teacher": None if teacher is None else teacher_object(teacher),
        "quants": [{**fit_object(rung), "file_bytes": _size(rung)} for rung in ladder.rungs],
        "problems": list(ladder.problems),
    }


def _mark(ladder: Ladder, rung: Assessment) -> str:
    return "*" if rung is ladder.recommended else ""


def _name(rung: Assessment) -> str:
    ref = rung.found.ref if rung.found else None
    if isinstance(ref, HubRef):
        return ref.quant or ref.file or "?"
    return rung.report.shape.quant or "?"


def _size(rung: Assessment) -> int | None:
    return rung.found.size_bytes if rung.found else None


def _figures(rung: Assessment) -> tuple[str, ...]:
    report = rung.report
    total = report.plan.components
    return (
        format_bytes(_size(rung)),
        f"{MARKS[report.verdict]} {report.verdict.value}",
        format_count(report.options.n_ctx),
        format_bytes(total.known) if total.total is not None else f"≥ {format_bytes(total.known)}",
        format_bytes(report.headroom_bytes),
        format_count(report.max_n_ctx),
        short_speed(report.speed),
    )
