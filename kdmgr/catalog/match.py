"""Which student is this model?

From the surest sign to the least: a digest, the name in Ollama's library, the repository on the Hub, the name
in the header. A name counts whole or not at all, a clashing size or architecture rules a student out, a header
that names another model outweighs a label, and signs that point to different students are no answer unless the
header decides. Unknown stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from kdmgr.catalog.agreement import Agreement, compare
from kdmgr.catalog.claims import (
    Claim,
    claim_altered_name,
    claim_base_models,
    claim_digest,
    claim_header_names,
    claim_ollama_tag,
    claim_repo,
)
from kdmgr.catalog.facts import ModelFacts
from kdmgr.catalog.load import Catalog
from kdmgr.catalog.names import find_hub_repo, names_another, own_names, shared_names, split_words
from kdmgr.catalog.students import Student, is_made_from
from kdmgr.units import printable


class Certainty(StrEnum):
    """How sure a match is."""

    EXACT = "exact"
    """The very file or manifest."""
    STRONG = "strong"
    """An unmistakable name, and nothing against it."""
    WEAK = "weak"
    """A name that others may bear too, or one that something speaks against."""


@dataclass(frozen=True, slots=True)
class Match:
    """A model, recognised."""

    student: Student
    evidence: tuple[str, ...]
    """Sentences for people, safe to print: why it is thought to be this student, and what speaks against it."""
    certainty: Certainty
    relation: str
    """"itself", or "derived": made from the student, so what is known of it holds for its parent only."""

    @property
    def student_words(self) -> str:
        """The student's name; said to be the parent where the model is derived from it."""
        return self.student.name if self.relation == "itself" else f"derived from {self.student.name}"

    @property
    def lineage_words(self) -> str:
        """Teacher, method and standing; said to be the parent's where the model is derived from it."""
        lineage = self.student.lineage
        of_parent = "" if self.relation == "itself" else "of its parent: "
        return f"{of_parent}{lineage.teacher.name}, {lineage.method} ({lineage.standing})"


def match_student(facts: ModelFacts, catalog: Catalog) -> Match | None:
    """The student that the model is, or was made from; None when nothing says so."""
    for claim in claim_digest(facts, catalog):
        return Match(claim.student, (claim.sentence,), Certainty.EXACT, "itself")
    put_on = (*claim_ollama_tag(facts, catalog), *claim_repo(find_hub_repo(facts.ref), catalog))
    found = _weigh(facts, catalog, _agree(facts, put_on))
    wrong = [claim.student.name for claim in put_on if compare(facts, claim.student) is Agreement.CLASH]
    if found is None or not wrong:
        return found
    # A label of another size or architecture leads nowhere, but whoever trusted it should know.
    sentence = f"it goes by the name of {wrong[0]}, which its architecture or size rules out"
    return replace(found, evidence=(*found.evidence, sentence))


def _weigh(facts: ModelFacts, catalog: Catalog, labels: list[Claim]) -> Match | None:
    """What the signs come to, `labels` being those that were put on the file."""
    contents = _agree(facts, (*claim_repo(facts.repo, catalog), *claim_header_names(facts, catalog)))
    bases = _agree(facts, (*claim_base_models(facts, catalog), *claim_altered_name(facts, catalog)))
    if labels and contents and labels[0].student is not contents[0].student:
        return _decide(contents, labels)
    if labels and not contents and names_another(facts, labels[0].student):
        return _derive(facts, bases) or _doubt(facts, labels)
    return _recognise(facts, contents, labels, bases) or _derive(facts, bases)


def _agree(facts: ModelFacts, claims: Iterable[Claim]) -> list[Claim]:
    """The claims that the numbers allow, if they are all about one student; a user's own entry comes first.

    Of a student and the student it was made from, the nearer is meant.
    """
    allowed = [claim for claim in claims if compare(facts, claim.student) is not Agreement.CLASH]
    allowed = [claim for claim in allowed if claim.student.from_user] or allowed
    students = {claim.student.id: claim.student for claim in allowed}.values()
    allowed = [claim for claim in allowed if not any(is_made_from(other, claim.student) for other in students)]
    return allowed if len({claim.student.id for claim in allowed}) == 1 else []


def _decide(contents: list[Claim], labels: list[Claim]) -> Match:
    """What a header says is in the file; a label can be put on any file."""
    against = tuple(f"against it: {claim.sentence} ({claim.student.name})" for claim in labels)
    evidence = tuple(claim.sentence for claim in contents)
    return Match(contents[0].student, evidence + against, Certainty.WEAK, "itself")


def _doubt(facts: ModelFacts, labels: list[Claim]) -> Match | None:
    """A label on a file that calls itself something else: no more than a hint, and nothing where the tag has moved."""
    if not any(claim.is_sure for claim in labels):
        return None
    against = f'against it: the header names it "{printable(" ".join((facts.name or "").split()))[:80]}"'
    evidence = (*(claim.sentence for claim in labels), against)
    return Match(labels[0].student, evidence, Certainty.WEAK, "itself")


def _recognise(facts: ModelFacts, contents: list[Claim], labels: list[Claim], bases: list[Claim]) -> Match | None:
    claims = contents + labels
    if not claims:
        return None
    student = claims[0].student
    evidence = [claim.sentence for claim in (*claims, *bases) if claim.student is student]
    evidence += _describe_agreement(facts, student)
    addition = _find_addition(facts, student) if contents else None
    if addition:
        evidence.append(f"the header adds a fine-tune of its own: {addition}")
    sure = any(claim.is_sure for claim in claims) and not addition
    certainty = Certainty.STRONG if sure else Certainty.WEAK
    return Match(student, tuple(evidence), certainty, "derived" if addition else "itself")


def _derive(facts: ModelFacts, bases: list[Claim]) -> Match | None:
    if not bases:
        return None
    student = bases[0].student
    evidence = (*(claim.sentence for claim in bases), *_describe_agreement(facts, student))
    sure = any(claim.is_sure for claim in bases)
    return Match(student, evidence, Certainty.STRONG if sure else Certainty.WEAK, "derived")


def _describe_agreement(facts: ModelFacts, student: Student) -> list[str]:
    full = compare(facts, student) is Agreement.FULL
    return ["its architecture and size agree with the student's"] if full else []


def _find_addition(facts: ModelFacts, student: Student) -> str | None:
    """A fine-tune that the header names and none of the student's names holds."""
    known = {word for name in own_names(student) | shared_names(student) for word in name}
    return " ".join(word for word in split_words(facts.finetune or "") if word not in known) or None
