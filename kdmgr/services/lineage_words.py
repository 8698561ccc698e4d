"""A student's lineage in words, the same in both front ends: who taught it, on whose word, what it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.catalog.retention import describe_precision
from kdmgr.units import format_parameters

if TYPE_CHECKING:
    from kdmgr.catalog.students import Losses
    from kdmgr.catalog.teachers import TeacherFacts
    from kdmgr.services.lineage import LineageStory

_WEIGHTS = {
    True: "open weights",
    False: "closed: its weights cannot be had",
    None: "whether it can be had is not known",
}
_YES = {True: "yes", False: "no", None: "?"}


def lineage_fields(story: LineageStory) -> list[tuple[str, str]]:
    """Labels and sentences; an empty sentence for what is not known, an empty label for one that goes on."""
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


def read_retention(story: LineageStory, *, has_gap: bool, quant: str | None) -> list[str]:
    """How the figures are to be read; `quant` is that of the file at hand."""
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
