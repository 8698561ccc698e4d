"""`kdmgr fit` for people: the verdict first, then memory drawn and in figures, then why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.cli.bars import cells, segments
from kdmgr.cli.console import Console
from kdmgr.fit.plan import DevicePlan, FitReport, Speed, Verdict
from kdmgr.units import format_bytes, format_count, format_parameters, printable

if TYPE_CHECKING:
    from kdmgr.services.rows import Assessment

MARKS = {
    Verdict.FITS: ("✔", "green"),
    Verdict.TIGHT: ("◐", "yellow"),
    Verdict.PARTIAL: ("◑", "yellow"),
    Verdict.CPU: ("○", "cyan"),
    Verdict.TOO_BIG: ("✘", "red"),
    Verdict.UNKNOWN: ("?", "yellow"),
}
_LABEL = 10


def print_fit(assessment: Assessment, console: Console) -> None:
    """One model's whole answer."""
    report = assessment.report
    mark, color = MARKS[report.verdict]
    verdict = console.style(f"{mark} {report.verdict.value}", "bold", color)
    console.print(f"{console.style(printable(report.ref), 'bold')}   {_facts(report)}")
    console.print(f"{verdict}   {printable(report.reason)}")
    console.print()
    for place in (*report.plan.devices, report.plan.host):
        _print_place(place, console)
    _print_field("context", _context(report), console)
    _print_field("speed", describe_speed(report.speed), console)
    if assessment.match is not None:
        _print_field("student", _lineage(assessment), console)
    for alternative in report.alternatives:
        _print_field("try", alternative, console)
    for sentence in report.unknown:
        _print_field("unknown", sentence, console)


def describe_speed(speed: Speed | None) -> str:
    """The figure with its band, basis and grade; `unknown` when there is none."""
    if speed is None:
        return "unknown"
    if speed.decode_tok_s is None:
        return f"at most {speed.high_tok_s:.0f} tok/s: {speed.basis}"
    roughly = "roughly " if speed.grade == "low" else ""
    band = f"{speed.low_tok_s:.0f} to {speed.high_tok_s:.0f}"
    return f"{roughly}{speed.decode_tok_s:.0f} tok/s ({band}): {speed.basis}; grade {speed.grade}"


def short_speed(speed: Speed | None) -> str:
    """A table's cell: `104`, `~23` for a rough figure, `≤70` for a bound, `?`."""
    if speed is None:
        return "?"
    if speed.decode_tok_s is None:
        return f"≤{speed.high_tok_s:.0f}"
    return f"{'~' if speed.grade == 'low' else ''}{speed.decode_tok_s:.0f}"


def _facts(report: FitReport) -> str:
    shape = report.shape
    facts = (shape.architecture, format_parameters(shape.parameters), shape.quant or "?", f"from {report.source}")
    return printable(" · ".join(facts))


def _print_place(place: DevicePlan, console: Console) -> None:
    room = f"{format_bytes(place.free_bytes)} free of {format_bytes(place.total_bytes)}"
    layers = f"{place.n_layers} layers" if place.n_layers else "no layers"
    console.print(f"{console.style(printable(place.name), 'bold')}  {room}, {layers}")
    parts = segments(place)
    width = max(20, min(console.width - 2, 76))
    bar = "".join(console.style(part.glyph * count, part.style) for part, count in cells(parts, width))
    console.print(f"  {bar}")
    if place.components.known:
        console.print(f"  {_figures(place, console)}")
    console.print()


def _figures(place: DevicePlan, console: Console) -> str:
    parts = place.components
    named = {
        "weights": parts.weights,
        "KV cache": parts.kv_cache,
        "recurrent": parts.recurrent,
        "compute": parts.compute,
        "projector": parts.projector,
        "overhead": parts.overhead,
    }
    glyphs = {segment.label: console.style(segment.glyph, segment.style) for segment in segments(place)}
    texts = [f"{glyphs.get(name, '')} {name} {format_bytes(size)}".strip() for name, size in named.items() if size != 0]
    total = "at least " + format_bytes(parts.known) if parts.total is None else format_bytes(parts.total)
    return "  ".join([*texts, f"= {total}"])


def _context(report: FitReport) -> str:
    options, limit = report.options, report.max_n_ctx
    slots = f" × {options.n_parallel} slots" if options.n_parallel > 1 else ""
    cache = options.type_k if options.type_k == options.type_v else f"{options.type_k}/{options.type_v}"
    most = f"up to {format_count(limit)} would do" if limit else _no_limit(report)
    trained = format_count(report.shape.n_ctx_train)
    return f"{format_count(options.n_ctx)}{slots} ({options.n_ctx_basis}), {cache} KV; {most}, trained for {trained}"


def _no_limit(report: FitReport) -> str:
    return "none would do" if report.verdict is Verdict.TOO_BIG and report.shape.attention else "largest: unknown"


def _lineage(assessment: Assessment) -> str:
    match = assessment.match
    assert match is not None
    lineage = match.student.lineage
    relation = "" if match.relation == "itself" else f" ({match.relation} from it)"
    return (
        f"{match.student.name}{relation}, taught by {lineage.teacher.name}: "
        f"{lineage.method} ({lineage.grade.value}); {match.certainty.value} match: {match.evidence[0]}"
    )


def _print_field(label: str, text: str, console: Console) -> None:
    import textwrap

    lines = textwrap.wrap(printable(text), max(30, console.width - _LABEL)) or [""]
    console.print(console.style(f"{label:<{_LABEL}}", "dim") + lines[0])
    for line in lines[1:]:
        console.print(" " * _LABEL + line)
