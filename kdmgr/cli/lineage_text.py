"""A student's lineage for `kdmgr show`: who taught it, on whose word, and how much it kept, drawn to scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.catalog.retention import describe_precision
from kdmgr.units import format_bytes, format_count, format_parameters, printable

if TYPE_CHECKING:
    from kdmgr.catalog.retention import Retention
    from kdmgr.catalog.students import Losses, Student
    from kdmgr.catalog.teachers import TeacherFacts
    from kdmgr.cli.console import Console
    from kdmgr.services.lineage import LineageStory

BAR = 20
"""Columns of a bar that stands for all of the teacher's score."""
_LABEL = 11
_WEIGHTS = {
    True: "open weights",
    False: "closed: its weights cannot be had",
    None: "whether it can be had is not known",
}
_YES = {True: "yes", False: "no", None: "?"}


def print_lineage(story: LineageStory, console: Console, quant: str | None = None) -> None:
    """All that the catalog knows; `quant` is that of the file at hand."""
    for label, text in _fields(story):
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


def _fields(story: LineageStory) -> list[tuple[str, str]]:
    student, lineage = story.student, story.student.lineage
    alone = len(story.teachers) == 1 and story.teachers[0].name == lineage.teacher.name
    rows = [] if alone else [("teacher", lineage.teacher.name)]
    rows += [("teacher" if alone else "", _describe_facts(facts)) for facts in story.teachers]
    rows.append(("method", ", ".join(lineage.methods)))
    rows.append(("", lineage.note or ""))
    rows.append(("learned", _describe_losses(lineage.losses)))
    rows.append(("made from", _describe_chain(story)))
    rows.append(("evidence", f"{lineage.grade.value}: {student.evidence.where or '?'}"))
    rows.append(("doubts", f"not verified: {', '.join(lineage.doubts)}" if lineage.doubts else ""))
    other = [field for field in student.unverified if field not in lineage.doubts]
    rows.append(("", f"beside the lineage, not verified: {', '.join(other)}" if other else ""))
    rows.append(("disputed", lineage.disputed or ""))
    rows.append(("notes", student.notes or ""))
    return rows


def _describe_facts(facts: TeacherFacts) -> str:
    parts = (
        format_parameters(facts.parameters) if facts.parameters else "",
        _WEIGHTS[facts.is_open] if facts.kind == "model" else "",
        facts.hf_repo or "",
        f"Ollama: {facts.ollama}" if facts.ollama else "",
        facts.note or "",
    )
    return " · ".join((facts.name, *filter(None, parts)))


def _describe_losses(losses: Losses) -> str:
    if losses.hard is losses.soft is losses.hidden is None:
        return ""
    return (
        f"from the teacher's texts or labels: {_YES[losses.hard]} · probabilities: {_YES[losses.soft]} · "
        f"inner representations: {_YES[losses.hidden]}"
    )


def _describe_chain(story: LineageStory) -> str:
    steps = []
    for link in story.chain:
        taught = f" (taught by {link.student.lineage.teacher.name})" if link.student else ""
        steps.append(f"{link.base.name}{taught}")
    return " ← ".join(steps)


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
    for sentence in _read_retention(story, has_gap=has_gap, quant=quant):
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


def _read_retention(story: LineageStory, *, has_gap: bool, quant: str | None) -> list[str]:
    names = dict.fromkeys(each.score.teacher_name for each in story.retention if each.share is not None)
    against = " and ".join(name for name in names if name)
    sentences = []
    if against:
        sentences.append(f"KEPT is the share of what {against} scored in the same source; nothing is averaged.")
    if any(each.score.lower_is_better for each in story.retention):
        sentences.append("Where lower is better, the share is inverted.")
    if has_gap:
        bases = dict.fromkeys(each.score.base.name for each in story.retention if each.score.base)
        sentences.append(f"GAP CLOSED is the way from its base ({', '.join(bases)}) to the teacher: 100% is all of it.")
    precision = describe_precision(quant)
    return [*sentences, f"{precision[0].upper()}{precision[1:]}."]


def _print_list(label: str, values: tuple[str, ...], console: Console) -> None:
    for at, value in enumerate(values):
        console.print(console.style(f"{label if at == 0 else '':<{_LABEL}}", "dim") + printable(value))


def _print_field(label: str, text: str, console: Console) -> None:
    import textwrap

    if not text:
        return
    for at, line in enumerate(textwrap.wrap(printable(text), max(30, console.width - _LABEL))):
        console.print(console.style(f"{label if at == 0 else '':<{_LABEL}}", "dim") + line)
