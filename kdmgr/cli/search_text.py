"""What was found on the Hub, for people and for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdmgr.units import format_count, format_parameters, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdmgr.cli.console import Console
    from kdmgr.services.discovery import Find, SearchResult

SCHEMA_VERSION = 1
_LABEL = 11


def print_result(result: SearchResult, console: Console) -> None:
    """One paragraph for each find."""
    for find in result.finds:
        console.print(console.style(printable(str(find.ref)), "bold"))
        for label, text in _fields(find):
            console.paragraph(label, text, _LABEL)
        if find.ladder is not None:
            from kdmgr.cli.ladder_text import print_ladder

            print_ladder(find.ladder, console)
        console.print()


def _fields(find: Find) -> Iterator[tuple[str, str]]:
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


def result_object(result: SearchResult, words: str, sort: str) -> dict[str, Any]:
    """The same as plain JSON values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "words": words,
        "sort": sort,
        "looked_at": result.looked_at,
        "left_out": result.left_out,
        "finds": [_object(find) for find in result.finds],
        "notes": list(result.notes),
    }


def _object(find: Find) -> dict[str, Any]:
    from kdmgr.cli.ladder_text import ladder_object

    entry, match, evidence = find.entry, find.match, find.evidence
    return {
        "ref": str(find.ref),
        "repo": entry.repo,
        "revision": entry.revision,
        "architecture": entry.architecture,
        "loads": find.loads,
        "parameters": entry.parameters,
        "n_ctx_train": entry.n_ctx_train,
        "licence": entry.licence,
        "gated": entry.is_gated,
        "downloads_30_days": entry.downloads,
        "likes": entry.likes,
        "updated": entry.updated,
        "made_from": [{"repo": link.repo, "relation": link.relation} for link in entry.bases],
        "original": find.original,
        "signs": [{"kind": sign.kind, "weak": sign.is_weak, "sentence": sign.sentence} for sign in find.signs],
        "student": match.student.id if match else None,
        "relation": match.relation if match else None,
        "match_certainty": match.certainty.value if match else None,
        "match_evidence": list(match.evidence) if match else [],
        "claimed": {
            "grade": "claimed",
            "quote": evidence.claim.quote,
            "is_cut": evidence.claim.is_cut,
            "repo": evidence.repo,
            "url": evidence.url,
        }
        if evidence
        else None,
        "fit": ladder_object(find.ladder) if find.ladder else None,
        "problems": list(find.problems),
    }
