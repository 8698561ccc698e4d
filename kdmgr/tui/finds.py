"""The answer of the Hub, and what was learned of each repository since. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdmgr.catalog.students import Student
    from kdmgr.errors import KdmgrError
    from kdmgr.services.discovery import Find, SearchResult
    from kdmgr.services.hub_desk import HubQuant
    from kdmgr.services.ladder import Ladder
    from kdmgr.services.size_estimates import SizedStudent

SORTS = ("downloads", "likes", "updated")


class Finds:
    """Of one answer; another question has another."""

    def __init__(self, result: SearchResult) -> None:
        self.looked_at = result.looked_at
        self.notes = result.notes
        self._finds = {find.entry.repo: find for find in result.finds}
        self.quants: dict[str, tuple[HubQuant, ...] | KdmgrError] = {}
        self._ladders: dict[str, Ladder] = {}
        self.sized: Mapping[str, SizedStudent] = {}
        """By the ids of students."""

    def shown(self, *, everything: bool) -> list[Find]:
        """In the Hub's order; `everything` are also those that nothing suggests to be students that run."""
        return [find for find in self._finds.values() if everything or find.suggests]

    def get(self, repo: str | None) -> Find | None:
        """The find of this repository ("owner/name")."""
        return self._finds.get(repo or "")

    def take_ladder(self, repo: str, ladder: Ladder | None, error: KdmgrError | None) -> None:
        """The quants of a repository are planned, or cannot be."""
        if ladder is not None:
            self._ladders[repo] = ladder
        reason = error.message if error is not None else "nobody can tell"
        for problem in (f"its fit is not known: {reason}",) if ladder is None else ladder.problems:
            self._note(repo, problem)

    def take_evidence(self, repo: str, find: Find | None, error: KdmgrError | None) -> None:
        """The cards of a repository are read, or cannot be."""
        known = self._finds.get(repo)
        if find is not None and known is not None:
            problems = dict.fromkeys((*known.problems, *find.problems))
            self._finds[repo] = replace(find, problems=tuple(problems))
        if error is not None:
            self._note(repo, f"the card was not read: {error.message}")
        elif find is not None and find.evidence is None and not find.problems:
            self._note(repo, "no card claims that it was distilled")

    def _note(self, repo: str, sentence: str) -> None:
        find = self._finds.get(repo)
        if find is not None and sentence not in find.problems:
            self._finds[repo] = replace(find, problems=(*find.problems, sentence))

    def students(self) -> list[Student]:
        """Those that were recognised, each once."""
        matches = [find.match for find in self._finds.values()]
        return list({match.student.id: match.student for match in matches if match is not None}.values())

    def ladder(self, find: Find) -> Ladder | None:
        """Its quants, planned; None where they have not been."""
        return self._ladders.get(find.entry.repo)

    def estimate(self, find: Find) -> SizedStudent | None:
        """What the student that it is would take; None for what is derived from one, and for no student."""
        match = find.match
        return self.sized.get(match.student.id) if match is not None and match.relation == "itself" else None
