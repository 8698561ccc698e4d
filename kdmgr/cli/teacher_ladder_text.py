"""`kdmgr ladder`: a rung for each student, for people and for scripts."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from kdmgr.cli.console import Console, pad
from kdmgr.cli.fit_json import teacher_object
from kdmgr.cli.fit_text import COLORS
from kdmgr.services.teachers import describe_teacher
from kdmgr.services.wording import MARKS, short_speed
from kdmgr.units import format_bytes, format_count, format_parameters, printable

if TYPE_CHECKING:
    from kdmgr.catalog.retention import Retention
    from kdmgr.services.teacher_ladder import Rung, TeacherLadder, TeacherRow

SCHEMA_VERSION = 1
HEADER = ("", "SIZE", "STUDENT", "KEPT", "MEMORY", "FIT", "TOK/S")
_RIGHT = (1, 3, 4, 6)
_INHERITED = "↳ "


def print_ladder(ladder: TeacherLadder, console: Console) -> None:
    """The teacher, the rungs in two lines each, and how to read them."""
    for teacher in ladder.teachers:
        _wrap(f"{console.style('teacher', 'bold')}  ", 9, describe_teacher(teacher), console)
    if ladder.by_family:
        text = f"no teacher is called {ladder.asked!r}; these students are, whoever taught them"
        _wrap("", 9, text, console)
    if ladder.asked_student:
        _wrap("", 9, f"{ladder.asked_student.name} is one of the students, marked •", console)
    console.print()
    cells = [HEADER, *(_cells(rung, ladder) for rung in ladder.rungs)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(HEADER))]
    console.print(console.style(_join(HEADER, widths), "bold"))
    for rung, row in zip(ladder.rungs, cells[1:], strict=True):
        line = printable(_join(row, widths))
        console.print(console.style(line, COLORS[rung.size.verdict]) if rung is ladder.highest else line)
        indent = " " * (widths[0] + widths[1] + 4)
        detail = printable(_detail(rung, ladder))
        for part in textwrap.wrap(detail, max(30, console.width - len(indent)), break_on_hyphens=False):
            console.print(indent + console.style(part, "dim"))
    _print_legend(ladder, console)


def _print_legend(ladder: TeacherLadder, console: Console) -> None:
    console.print()
    for label, text in _legend(ladder):
        _wrap(f"{console.style(pad(label, 7), 'dim')}  ", 9, text, console)


def _legend(ladder: TeacherLadder) -> list[tuple[str, str]]:
    quants = ", ".join(dict.fromkeys(rung.size.quant for rung in ladder.rungs if rung.size.quant))
    how = f"at {quants or '?'} with a context of {format_count(ladder.n_ctx)}, by installed files or published shapes"
    rows = [("memory", f"{how}; ~ estimated from size or parameters, where no shape is known")]
    rows.append(("kept", _describe_benchmark(ladder)))
    if any(rung.is_inherited for rung in ladder.rungs):
        rows.append((_INHERITED.strip(), "made from another student, which had a teacher before"))
    rows.append(("▶", _describe_highest(ladder)))
    return rows


def _describe_highest(ladder: TeacherLadder) -> str:
    if ladder.highest is None:
        return "none of them is known to run here"
    size = ladder.highest.size
    return f"the highest that runs here: {ladder.highest.student.name}, {size.verdict.value}: {size.reason}"


def _describe_benchmark(ladder: TeacherLadder) -> str:
    if ladder.benchmark is None:
        return "no student has a score beside its teacher's from one source"
    count = f"{ladder.n_retained} of {len(ladder.rungs)}"
    return f"share of the teacher's score in {ladder.benchmark}, which more of them have than any other ({count})"


def _cells(rung: Rung, ladder: TeacherLadder) -> tuple[str, ...]:
    size = rung.size
    about = "" if size.planned else "~"
    return (
        _mark(rung, ladder),
        format_parameters(rung.student.parameters),
        f"{_INHERITED if rung.is_inherited else ''}{_cut(rung.student.name)}",
        _share(rung.retention),
        f"{about}{format_bytes(size.memory_bytes)}",
        f"{MARKS[size.verdict]} {about}{size.verdict.value}",
        short_speed(size.speed),
    )


def _mark(rung: Rung, ladder: TeacherLadder) -> str:
    asked = ladder.asked_student is not None and rung.student.id == ladder.asked_student.id
    return f"{'▶' if rung is ladder.highest else ''}{'•' if asked else ''}"


def _detail(rung: Rung, ladder: TeacherLadder) -> str:
    student = rung.student
    made_from = " ← ".join(link.base.name for link in rung.chain)
    parts = (
        f"from {made_from}" if made_from else "",
        f"teacher: {student.lineage.teacher.name}" if ladder.by_family else "",
        f"{student.lineage.method} ({student.lineage.grade.value})",
        student.licence or "",
        f"installed as {', '.join(rung.size.installed)}" if rung.size.installed else "",
    )
    return " · ".join(part for part in parts if part)


def _share(retention: Retention | None) -> str:
    return "–" if retention is None or retention.share is None else f"{retention.share:.0%}"


def _cut(name: str, limit: int = 30) -> str:
    return name if len(name) <= limit else f"{name[: limit - 1]}…"


def _join(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(pad(cell, widths[at], right=at in _RIGHT) for at, cell in enumerate(cells)).rstrip()


def _wrap(label: str, indent: int, text: str, console: Console) -> None:
    lines = textwrap.wrap(printable(text), max(30, console.width - indent)) or [""]
    console.print((label or " " * indent) + lines[0])
    for line in lines[1:]:
        console.print(" " * indent + line)


def ladder_object(ladder: TeacherLadder) -> dict[str, Any]:
    """The same as plain JSON values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "asked": ladder.asked,
        "by_family": ladder.by_family,
        "asked_student": ladder.asked_student.id if ladder.asked_student else None,
        "n_ctx": ladder.n_ctx,
        "teachers": [teacher_object(teacher) for teacher in ladder.teachers],
        "benchmark": ladder.benchmark,
        "highest": ladder.highest.student.id if ladder.highest else None,
        "rungs": [_rung_object(rung) for rung in ladder.rungs],
    }


def _rung_object(rung: Rung) -> dict[str, Any]:
    student, size, kept = rung.student, rung.size, rung.retention
    return {
        "id": student.id,
        "name": student.name,
        "parameters": student.parameters,
        "teacher": student.lineage.teacher.name,
        "method": student.lineage.method,
        "evidence": student.lineage.grade.value,
        "licence": student.licence,
        "base": [link.base.name for link in rung.chain],
        "inherited": rung.is_inherited,
        "retention": kept.share if kept else None,
        "why_no_retention": kept.why_no_share if kept else "no score of this benchmark",
        "quant": size.quant,
        "weights_bytes": size.size_bytes,
        "memory_bytes": size.memory_bytes,
        "basis": size.basis.value,
        "basis_words": size.words,
        "estimated": not size.planned,
        "installed": list(size.installed),
        "verdict": size.verdict.value,
        "reason": size.reason,
        "decode_tok_s": size.speed.decode_tok_s if size.speed else None,
        "ollama": [tag.tag for tag in student.ollama],
        "hf_repo": student.hf_repo,
    }


def teacher_row_object(row: TeacherRow) -> dict[str, Any]:
    """One line of the list of teachers."""
    facts = row.facts
    return {
        "id": facts.id,
        "name": facts.name,
        "kind": facts.kind,
        "open": facts.is_open,
        "parameters": facts.parameters,
        "hf_repo": facts.hf_repo,
        "ollama": facts.ollama,
        "n_students": row.n_students,
        "note": facts.note,
    }
