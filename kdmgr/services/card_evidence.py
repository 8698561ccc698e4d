"""What the cards of repositories claim: a quantisation's own, and before it that of what it was made from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdmgr.catalog.card_claims import find_claim
from kdmgr.errors import KdmgrError, NotFound, ServerUnreachable
from kdmgr.services.discovery import ClaimedEvidence, Find
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.models.hub_index import HubIndex

MAX_STEPS = 3
"""A quantisation of a quantisation of … is followed so far."""


class CardReader:
    """Reads each card once: several quantisations share one original."""

    def __init__(self, index: HubIndex) -> None:
        self._index = index
        self._claims: dict[str, ClaimedEvidence | None] = {}
        self._bases: dict[str, str | None] = {}
        self._gone: str | None = None
        """Why the Hub is asked no more."""

    def with_evidence(self, find: Find) -> Find:
        """`find` with the sentence that claims distillation, from the original's card where it has one."""
        problems: list[str] = []
        originals = self._originals(find, problems)
        original = originals[-1] if originals else None
        for repo in dict.fromkeys((*reversed(originals), find.entry.repo)):
            evidence = self._claim(repo, problems)
            if evidence is not None:
                return replace(find, evidence=evidence, original=original, problems=(*find.problems, *problems))
        return replace(find, original=original, problems=(*find.problems, *problems))

    def _originals(self, find: Find, problems: list[str]) -> list[str]:
        """What it is a quantisation of, step by step."""
        chain: list[str] = []
        base = find.entry.quantized_from
        while base is not None and base not in chain and base != find.entry.repo and len(chain) < MAX_STEPS:
            chain.append(base)
            base = self._base_of(base, problems)
        return chain

    def _base_of(self, repo: str, problems: list[str]) -> str | None:
        if repo not in self._bases and self._gone is None:
            try:
                self._bases[repo] = self._index.find(repo).quantized_from
            except KdmgrError as error:
                self._note(repo, error, problems)
        return self._bases.get(repo)

    def _claim(self, repo: str, problems: list[str]) -> ClaimedEvidence | None:
        if repo not in self._claims and self._gone is None:
            try:
                claim = find_claim(self._index.reader.card(repo))
                url = f"{self._index.reader.access.endpoint}/{repo}"
                self._claims[repo] = ClaimedEvidence(claim, repo, url) if claim else None
            except KdmgrError as error:
                self._note(repo, error, problems)
        elif self._gone is not None and self._gone not in problems and repo not in self._claims:
            problems.append(self._gone)
        return self._claims.get(repo)

    def _note(self, repo: str, error: KdmgrError, problems: list[str]) -> None:
        """A repository without a card claims nothing; a gate, or a Hub that answers no more, is told."""
        hint = f" ({printable(error.hint)})" if error.hint else ""
        sentence = f"the card of {repo} was not read: {printable(error.message)}{hint}"
        if isinstance(error, ServerUnreachable):
            self._gone = sentence = f"cards cannot be read now: {printable(error.message)}{hint}"
        if not isinstance(error, NotFound) and sentence not in problems:
            problems.append(sentence)
