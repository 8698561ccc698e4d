"""A recommendation, for people and for scripts."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

from kdmgr.services.recommending import describe_rule
from kdmgr.units import format_bytes, format_count, printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.fit.machine import Machine
    from kdmgr.services.recommending import Recommendation, Recommended

_FIELD = 10


def rule_text(width: int = 80) -> str:
    """The rule, as --help and --explain print it."""
    lines = ["the rule, each step only between those that are alike in all before it:"]
    for sentence in describe_rule():
        lines += textwrap.wrap(sentence, width, initial_indent="  ", subsequent_indent="     ")
    return "\n".join(lines)


def print_recommendation(found: Recommendation, console: Console, *, limit: int, explain: bool) -> None:
    """The list with its reasons; what was left out, by reason."""
    shown = found.students[:limit]
    for line in textwrap.wrap(printable(_title(found)), console.width):
        console.print(line)
    for number, one in enumerate(shown, start=1):
        console.print()
        _print_one(number, one, console, explain=explain)
    if explain:
        console.print(f"\n{rule_text(console.width)}")
    _print_rest(found, len(shown), console, explain=explain)


def recommendation_object(found: Recommendation, limit: int) -> dict[str, Any]:
    """The same as plain JSON values."""
    from kdmgr.cli.student_json import score_object, sized_object
    from kdmgr.services.modelfiles import index_students

    modelfiles = index_students()
    return {
        "schema_version": 1,
        "task": found.task.name,
        "n_ctx": found.n_ctx,
        "benchmark": found.benchmark,
        "rule": list(describe_rule()),
        "recommended": [
            {
                "rank": rank,
                "why_task": one.why_task,
                "reasons": dict(one.reasons),
                "ahead_of_next": one.ahead,
                "score": score_object(one.score) if one.score else None,
                "student": sized_object(one.sized, modelfiles),
            }
            for rank, one in enumerate(found.students[:limit], start=1)
        ],
        "n_suitable": len(found.students),
        "left_out": [{"id": left.student.id, "reason": left.reason} for left in found.left_out],
        "n_without_task": found.n_without_task,
    }


def _title(found: Recommendation) -> str:
    count = f"{len(found.students)} student{'' if len(found.students) == 1 else 's'}"
    compared = f"compared on {found.benchmark or 'no benchmark'}"
    return (
        f"{found.task.name} ({found.task.summary}) with a context of {format_count(found.n_ctx)} on "
        f"{_describe_machine(found.machine)}: {count}, {compared}"
    )


def _describe_machine(machine: Machine) -> str:
    if machine.devices:
        return ", ".join(f"{device.name} ({format_bytes(device.free_bytes)} free)" for device in machine.devices)
    return f"this host's {format_bytes(machine.host.available_bytes)} of memory, without a GPU"


def _print_one(number: int, one: Recommended, console: Console, *, explain: bool) -> None:
    student = one.sized.student
    reasons = dict(one.reasons)
    mark = ", installed" if one.sized.installed else ""
    console.print(console.style(printable(f"{number}. {student.name}{mark}"), "bold"))
    fields = {
        "task": one.why_task,
        "fit": reasons["fit"] + ("" if one.sized.planned else f" ({one.sized.words})"),
        "evidence": f"{reasons['evidence']}: {student.lineage.teacher.name}, {student.lineage.method}",
        "kept": reasons["kept"],
        "speed": reasons["speed"],
        "context": "" if student.context_length else "nobody says how much it was trained for",
        "licence": (student.licence or "unknown") + (", not verified" if student.is_unverified("licence") else ""),
    }
    if explain:
        fields |= {
            "size": reasons["size"],
            "disputed": student.lineage.disputed or "",
            "source": one.score.source_url if one.score else student.evidence.url or "",
            "before": one.ahead or "",
        }
    name = one.sized.installed[0] if one.sized.installed else one.sized.pull
    fields["next"] = f"kdmgr {'chat' if one.sized.installed else 'pull'} {name}"
    for label, text in fields.items():
        if text:
            _print_field(label, text, console)


def _print_field(label: str, text: str, console: Console) -> None:
    room = max(console.width - _FIELD - 3, 30)
    lines = textwrap.wrap(printable(text), room, break_long_words=False, break_on_hyphens=False)
    for at, line in enumerate(lines):
        shown = console.style(f"{label:<{_FIELD}}", "dim") if at == 0 else " " * _FIELD
        console.print(f"   {shown}{line}")


def _print_rest(found: Recommendation, n_shown: int, console: Console, *, explain: bool) -> None:
    if len(found.students) > n_shown:
        console.note(f"{len(found.students) - n_shown} more: --limit {len(found.students)}")
    if explain and found.left_out:
        console.print("\nleft out:")
        for left in found.left_out:
            console.print(printable(f"  {left.student.id}: {left.reason}"))
    elif found.left_out:
        counts = Counter(_kind(left.reason) for left in found.left_out)
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
        console.note(f"left out {len(found.left_out)}: {kinds} (--explain names them)")
    if any(not one.sized.planned for one in found.students[:n_shown]):
        console.note("estimates are rough: --read-headers plans those that are named, over the network")
    console.note(f"{found.n_without_task} others: nothing in their entries speaks for this task")


def _kind(reason: str) -> str:
    """The reason without its numbers, to count alike ones."""
    for start, kind in (
        ("was trained", "trained for less context"),
        ("its licence", "by licence"),
        ("is not installed", "not installed"),
        ("has ", "too many parameters"),
        ("no file", "with no file listed"),
        ("partial", "only partly on the GPU (--partial)"),
    ):
        if reason.startswith(start):
            return kind
    if reason.startswith("cannot be planned"):
        return "that cannot be planned"
    return "too big" if reason.startswith("too big") else "of unknown fit"
