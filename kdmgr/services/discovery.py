"""Students on the Hub that no catalog lists yet: what suggests them, and what their cards claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdmgr.catalog.card_claims import CardClaim
from kdmgr.catalog.facts import BaseModel, ModelFacts
from kdmgr.catalog.match import match_student
from kdmgr.catalog.signs import Sign, find_signs
from kdmgr.errors import KdmgrError, ServerUnreachable
from kdmgr.refs import HubRef
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.catalog.load import Catalog
    from kdmgr.catalog.match import Match
    from kdmgr.fit.options import RunOptions
    from kdmgr.models.hub_index import HubEntry
    from kdmgr.services.app import Services
    from kdmgr.services.ladder import Ladder

CANDIDATES = 200
"""Repositories that are looked at for students; the Hub sends them in one answer."""
DEFAULT_WORDS = "distill"


@dataclass(frozen=True, slots=True)
class ClaimedEvidence:
    """A sentence of a model card, and the page it stands on."""

    claim: CardClaim
    repo: str
    url: str


@dataclass(frozen=True, slots=True)
class Find:
    """One repository, and why it is shown."""

    entry: HubEntry
    signs: tuple[Sign, ...]
    match: Match | None
    """The student of the catalog that it is, or was made from."""
    loads: bool | None
    """Whether llama.cpp, and so Ollama, is known to load its architecture; None where that is not known."""
    original: str | None
    """The repository ("owner/name") of the unquantised weights, where it is a quantisation."""
    evidence: ClaimedEvidence | None = None
    ladder: Ladder | None = None
    problems: tuple[str, ...] = ()
    """What could not be found out, and why."""

    @property
    def ref(self) -> HubRef:
        """How to name it."""
        user, _, repo = self.entry.repo.partition("/")
        return HubRef(user, repo)

    @property
    def suggests(self) -> bool:
        """Whether anything suggests a student that can be run here."""
        return bool(self.signs or self.match) and (self.loads is True or self.entry.architecture is None)


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for. `sort` is "downloads", "likes" or "updated"."""

    words: str = DEFAULT_WORDS
    sort: str = "downloads"
    limit: int = 10
    everything: bool = False
    """Also what suggests no distillation, or may not load."""
    evidence: bool = False
    """Whether to read the cards."""
    fit: RunOptions | None = None
    """What to plan each quant for; None for no planning."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The finds in the Hub's order, and how many repositories were looked at."""

    finds: tuple[Find, ...]
    looked_at: int
    left_out: int
    """Of these, those that suggest nothing or may not load."""
    notes: tuple[str, ...]


def search_hub(services: Services, search: Search, tell: Callable[[str], None]) -> SearchResult:
    """Search the Hub; `tell` is told of waits, and of what takes long.

    Raises `ServerUnreachable`, `Forbidden`, `Unreadable`, or `UsageError` for an environment that makes no sense.
    """
    index = services.hub_index(tell)
    entries = index.search(search.words, sort=search.sort, limit=CANDIDATES)
    known = [describe_entry(entry, services.catalog) for entry in entries]
    wanted = [find for find in known if search.everything or find.suggests]
    finds = wanted[: search.limit]
    if search.evidence:
        from kdmgr.services.card_evidence import CardReader

        reader = CardReader(index)
        finds = [reader.with_evidence(find) for find in finds]
    if search.fit is not None:
        finds = [_with_fit(services, find, search.fit, tell) for find in finds]
    return SearchResult(tuple(finds), len(known), len(known) - len(wanted), tuple(index.reader.notes))


def describe_entry(entry: HubEntry, catalog: Catalog) -> Find:
    """What the listing alone says of a repository."""
    bases = tuple(link.repo for link in entry.bases)
    return Find(
        entry=entry,
        signs=find_signs(entry.repo, entry.tags, bases),
        match=_match(entry, catalog),
        loads=_loads(entry.architecture),
        original=entry.quantized_from,
    )


def _match(entry: HubEntry, catalog: Catalog) -> Match | None:
    """A quantisation has the weights, and so the lineage, of what it was made from."""
    user, _, repo = entry.repo.partition("/")
    original = entry.quantized_from
    facts = ModelFacts(
        ref=HubRef(user, repo),
        repo=original,
        base_models=() if original else tuple(BaseModel(repo=link.repo) for link in entry.bases),
        architecture=entry.architecture,
        parameters=entry.parameters,
    )
    return match_student(facts, catalog)


def _loads(architecture: str | None) -> bool | None:
    from kdmgr.engines.ollama.abilities import runs
    from kdmgr.gguf.architectures import RULES

    if architecture is None:
        return None
    return True if architecture in RULES else runs(architecture, None)


def _with_fit(services: Services, find: Find, options: RunOptions, tell: Callable[[str], None]) -> Find:
    """Every quant assessed by its header; a repository that cannot be read costs the others nothing."""
    tell(f"reading the headers of {find.ref}")
    try:
        return replace(find, ladder=services.fit_quants(find.ref, None, options))
    except ServerUnreachable:
        raise
    except KdmgrError as error:
        return replace(find, problems=(*find.problems, f"its fit is not known: {printable(error.message)}"))
