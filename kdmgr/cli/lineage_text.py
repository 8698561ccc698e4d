"""A student's lineage for `kdmgr show`: who taught it, on whose word, and how much it kept, drawn to scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.services.lineage_words import lineage_fields, read_retention
from kdmgr.units import format_bytes, format_count, format_parameters, printable

if TYPE_CHECKING:
    from kdmgr.catalog.retention import Retention
    from kdmgr.catalog.students import Student
    from kdmgr.cli.console import Console
    from kdmgr.services.lineage import LineageStory

BAR = 20
"""Columns of a bar that stands for all of the teacher's score."""
_LABEL = 11


def print_lineage(story: LineageStory, console: Console, quant: str | None = None) -> None:
    """All that the catalog knows; `quant` is that of the file at hand."""
    for label, text in lineage_fields(story):
        _print_field(label, text, console)
    _print_retention(story, console, quant)
    _print_list("sources", story.sources, console)


def print_student(story: LineageStory, console: Console) -> None:
    """A student of the catalog that is not installed: what it is, where it can be had, and its lineage."""
    student = story.student
    facts = (
        format_parameters(student.parameters),
        student.modality or "",
        student.architecture or "",
        f"context {format_count(student.context_length)}",
    )
    console.print(f"{console.style(printable(student.name), 'bold')}   {printable(' · '.join(filter(None, facts)))}")
    _print_field("id", f"{student.id} (in the catalog, not installed)", console)
    published = (student.publisher or "", f"released {student.released}" if student.released else "")
    _print_field("publisher", " · ".join(filter(None, published)), console)
    _print_field("licence", student.licence or "?", console)
    _print_list("ollama", tuple(_describe_tag(student)), console)
    _print_list("hub", tuple(filter(None, (student.hf_repo, *student.gguf_repos))), console)
    console.print()
    print_lineage(story, console)


def _describe_tag(student: Student) -> list[str]:
    return [f"{tag.tag}  {format_bytes(tag.size_bytes)} as listed" for tag in student.ollama]


def _print_retention(story: LineageStory, console: Console, quant: str | None) -> None:
    if not story.retention:
        _print_field("kept", "no scores are known", console)
        return
    console.print()
    has_gap = any(each.gap_closed is not None for each in story.retention)
    header = ("BENCHMARK", "STUDENT", "TEACHER", "KEPT", "", *(("GAP CLOSED",) if has_gap else ()))
    rows = [_retention_row(each, has_gap=has_gap) for each in story.retention]
    console.table(header, rows, right=(1, 2, 3, 5) if has_gap else (1, 2, 3))
    console.print()
    for sentence in read_retention(story, has_gap=has_gap, quant=quant):
        _print_field("", sentence, console)


def _retention_row(each: Retention, *, has_gap: bool) -> tuple[str, ...]:
    score = each.score
    teacher = "?" if score.teacher is None else f"{score.teacher:g}"
    kept = "–" if each.share is None else f"{each.share:.0%}"
    name = score.benchmark if len(score.benchmark) <= 28 else f"{score.benchmark[:27]}…"
    gap = () if not has_gap else ("–" if each.gap_closed is None else f"{each.gap_closed:.0%}",)
    return name, f"{score.student:g}", teacher, kept, draw_share(each), *gap


def draw_share(each: Retention) -> str:
    """A bar to scale, a `▸` at its end for more than all of it; the reason where there is no share."""
    if each.share is None:
        points = "" if each.points is None else f"{each.points:+g} points; "
        return f"{points}{each.why_no_share}"
    # Only all of it fills the bar.
    filled = min(round(each.share * BAR), BAR if each.share >= 1 else BAR - 1)
    return "█" * filled + "·" * (BAR - filled) + ("▸" if each.share > 1 else "")


def _print_list(label: str, values: tuple[str, ...], console: Console) -> None:
    for at, value in enumerate(values):
        console.print(console.style(f"{label if at == 0 else '':<{_LABEL}}", "dim") + printable(value))


def _print_field(label: str, text: str, console: Console) -> None:
    import textwrap

    if not text:
        return
    for at, line in enumerate(textwrap.wrap(printable(text), max(30, console.width - _LABEL))):
        console.print(console.style(f"{label if at == 0 else '':<{_LABEL}}", "dim") + line)
