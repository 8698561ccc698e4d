"""What was found on the Hub, for people and for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdmgr.services.discovery_words import find_fields
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.discovery import Find, SearchResult

SCHEMA_VERSION = 1
_LABEL = 11


def print_result(result: SearchResult, console: Console) -> None:
    """One paragraph for each find."""
    for find in result.finds:
        console.print(console.style(printable(str(find.ref)), "bold"))
        for label, text in find_fields(find):
            console.paragraph(label, text, _LABEL)
        if find.ladder is not None:
            from kdmgr.cli.ladder_text import print_ladder

            print_ladder(find.ladder, console)
        console.print()


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
