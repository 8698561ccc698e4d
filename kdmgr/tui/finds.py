"""The answer of the Hub, and what was learned of each repository since. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError

if TYPE_CHECKING:
    from kdmgr.catalog.students import Student
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
        self.ladders: dict[str, Ladder | KdmgrError] = {}
        self.sized: Mapping[str, SizedStudent] = {}
        """By the ids of students."""

    def shown(self, *, everything: bool) -> list[Find]:
        """In the Hub's order; `everything` are also those that nothing suggests to be students that run."""
        return [find for find in self._finds.values() if everything or find.suggests]

    def get(self, repo: str | None) -> Find | None:
        """The find of this repository ("owner/name")."""
        return self._finds.get(repo or "")

    def learn(self, find: Find) -> None:
        """More is known of one."""
        self._finds[find.entry.repo] = find

    def note(self, repo: str, sentence: str) -> None:
        """Something about one could not be found out."""
        find = self._finds[repo]
        if sentence not in find.problems:
            self._finds[repo] = replace(find, problems=(*find.problems, sentence))

    def students(self) -> list[Student]:
        """Those that were recognised, each once."""
        matches = [find.match for find in self._finds.values()]
        return list({match.student.id: match.student for match in matches if match is not None}.values())

    def ladder(self, find: Find) -> Ladder | None:
        """Its quants, planned; None where they have not been."""
        known = self.ladders.get(find.entry.repo)
        return None if isinstance(known, KdmgrError) else known

    def estimate(self, find: Find) -> SizedStudent | None:
        """What the student that it is would take; None for what is derived from one, and for no student."""
        match = find.match
        return self.sized.get(match.student.id) if match is not None and match.relation == "itself" else None
