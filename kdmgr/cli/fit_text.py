"""`kdmgr fit` for people: the verdict first, then memory drawn and in figures, then why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.cli.console import Console
from kdmgr.fit.plan import DevicePlan, FitReport, Verdict
from kdmgr.services.proportions import Part, memory_parts, scale
from kdmgr.services.wording import MARKS, describe_context, describe_estimate, describe_prompt, describe_speed
from kdmgr.units import format_bytes, format_parameters, printable

if TYPE_CHECKING:
    from kdmgr.services.rows import Assessment
    from kdmgr.services.teachers import TeacherFit

COLORS = {
    Verdict.FITS: "green",
    Verdict.TIGHT: "yellow",
    Verdict.PARTIAL: "yellow",
    Verdict.CPU: "cyan",
    Verdict.TOO_BIG: "red",
    Verdict.UNKNOWN: "yellow",
}
PART_COLORS = {
    "in-use": "dim",
    "weights": "blue",
    "kv-cache": "magenta",
    "recurrent": "magenta",
    "compute": "cyan",
    "projector": "blue",
    "overhead": "yellow",
    "free": "dim",
}
_LABEL = 10


def print_fit(assessment: Assessment, console: Console, teacher: TeacherFit | None = None) -> None:
    """One model's whole answer, with its teacher beside it."""
    report = assessment.report
    verdict = console.style(f"{MARKS[report.verdict]} {report.verdict.value}", "bold", COLORS[report.verdict])
    console.print(f"{console.style(printable(report.ref), 'bold')}   {_facts(report)}")
    console.print(f"{verdict}   {printable(report.reason)}")
    console.print()
    for place in (*report.plan.devices, report.plan.host):
        _print_place(place, console)
    if report.plan.estimate is not None:
        _print_field("estimate", describe_estimate(report.plan.estimate), console)
    _print_field("context", describe_context(report), console)
    _print_field("speed", describe_speed(report.speed), console)
    if report.speed is not None and report.speed.prompt is not None:
        _print_field("prompt", describe_prompt(report.speed.prompt), console)
    if assessment.match is not None:
        _print_field("student", _lineage(assessment), console)
    if teacher is not None:
        from kdmgr.services.teachers import describe_teacher

        _print_field("teacher", describe_teacher(teacher, report), console)
    for alternative in report.alternatives:
        _print_field("try", alternative, console)
    for note in assessment.notes:
        _print_field("note", note, console)
    for sentence in report.unknown:
        _print_field("unknown", sentence, console)


def print_explanation(report: FitReport, console: Console) -> None:
    """How each number came about."""
    from kdmgr.fit.explain import explain

    console.print()
    for step in explain(report):
        console.print(f"{console.style(printable(step.name), 'bold')} = {printable(step.result)}")
        _print_indented(step.formula, console)
        _print_indented(step.inputs, console)


def _print_indented(text: str, console: Console) -> None:
    import textwrap

    for line in textwrap.wrap(printable(text), max(30, console.width - 4)):
        console.print("    " + console.style(line, "dim"))


def _facts(report: FitReport) -> str:
    shape = report.shape
    facts = (shape.architecture, format_parameters(shape.parameters), shape.quant or "?", f"from {report.source}")
    return printable(" · ".join(facts))


def _print_place(place: DevicePlan, console: Console) -> None:
    room = f"{format_bytes(place.free_bytes)} free of {format_bytes(place.total_bytes)}"
    layers = f"{place.n_layers} layers" if place.n_layers else "no layers"
    if place.n_expert_layers:
        layers += f", {place.n_expert_layers} of them without experts"
    console.print(f"{console.style(printable(place.name), 'bold')}  {room}, {layers}")
    parts = memory_parts(place)
    width = max(20, min(console.width - 2, 76))
    bar = "".join(console.style(run.glyph * run.width, PART_COLORS[run.kind]) for run in scale(parts, width))
    console.print(f"  {bar}")
    if place.components.known:
        console.print(f"  {_figures(place, parts, console)}")
    console.print()


def _figures(place: DevicePlan, parts: list[Part], console: Console) -> str:
    shown = [part for part in parts if part.kind not in ("in-use", "free")]
    texts = [
        f"{console.style(part.glyph, PART_COLORS[part.kind])} {part.label} {format_bytes(part.size)}" for part in shown
    ]
    total, known = place.components.total, place.components.known
    return "  ".join([*texts, f"= {format_bytes(total)}" if total is not None else f"= at least {format_bytes(known)}"])


def _lineage(assessment: Assessment) -> str:
    match = assessment.match
    assert match is not None
    return (
        f"{match.student_words}; teacher {match.lineage_words}; {match.certainty.value} match: "
        f"{'; '.join(match.evidence)}"
    )


def _print_field(label: str, text: str, console: Console) -> None:
    console.paragraph(label, text, _LABEL)
