"""What was found on the Hub in words, the same in both front ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.units import format_count, format_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdmgr.services.discovery import Find


def find_fields(find: Find) -> Iterator[tuple[str, str]]:
    """Labels and texts; foreign ones are not made safe."""
    yield "model", _facts(find)
    yield "used", _popularity(find)
    if find.original is not None:
        yield "made from", f"{find.original}, quantised"
    else:
        for link in find.entry.bases[:3]:
            yield "made from", f"{link.repo}, {link.relation or 'how is not said'}"
    strong = [sign.sentence for sign in find.signs if not sign.is_weak]
    weak = [f"{sign.sentence} (a weak sign)" for sign in find.signs if sign.is_weak]
    yield "suggests", "; ".join((*strong, *weak)) or "nothing suggests that it was distilled"
    if find.match is not None:
        yield "student", _describe_match(find)
    if find.evidence is not None:
        yield "claimed", f"“{find.evidence.claim.quote}”"
        yield "", find.evidence.url
    for problem in find.problems:
        yield "note", problem


def _facts(find: Find) -> str:
    entry = find.entry
    loads = {True: "", None: " (whether Ollama loads it is not known)", False: " (Ollama does not load it)"}
    architecture = f"{entry.architecture or 'architecture ?'}{loads[find.loads]}"
    trained = f"trained for {format_count(entry.n_ctx_train)} tokens" if entry.n_ctx_train else ""
    licence = entry.licence or "licence ?"
    parts = (architecture, format_parameters(entry.parameters), trained, licence, "gated" if entry.is_gated else "")
    return " · ".join(part for part in parts if part)


def _popularity(find: Find) -> str:
    entry = find.entry
    downloads = "?" if entry.downloads is None else f"{entry.downloads:,}"
    likes = "?" if entry.likes is None else f"{entry.likes:,}"
    noun = "like" if entry.likes == 1 else "likes"
    return f"{downloads} downloads in 30 days · {likes} {noun} · updated {entry.updated or '?'}"


def _describe_match(find: Find) -> str:
    match = find.match
    assert match is not None
    lineage = match.student.lineage
    relation = "is" if match.relation == "itself" else "was made from"
    return (
        f"{relation} {match.student.name} of the catalog; teacher: {lineage.teacher.name}; method: {lineage.method} "
        f"({lineage.grade.value}); {match.certainty.value} match: {match.evidence[0]}"
    )
