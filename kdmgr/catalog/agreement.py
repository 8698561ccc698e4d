"""Whether a model's numbers can be those of a student. They rule matches out; alone they prove nothing."""

from __future__ import annotations

from enum import StrEnum

from kdmgr.catalog.facts import ModelFacts
from kdmgr.catalog.students import Student

# Published sizes are round: Falcon3 1B has 1.67e9 parameters, a "1.5B" Qwen 1.78e9 with its untied output
# layer, and vision towers live in files of their own. Close sizes are told apart by their names; this only
# keeps a 7B from passing as a 3B or a 14B.
LEAST_RATIO, GREATEST_RATIO = 0.6, 1.75
# Added tokens and padding change a vocabulary, but never by much.
VOCABULARY_SLACK = 0.02

# Ollama's converter has names of its own: it writes gpt-oss as one word, and embeds with plain gemma3.
_SAME = {"gptoss": "gpt-oss", "gemma-embedding": "gemma3"}


class Agreement(StrEnum):
    """How the numbers of a model and of a student compare."""

    CLASH = "clash"
    """One of them cannot be the student's."""
    PARTIAL = "partial"
    """Nothing clashes, but architecture or size is unknown on one side."""
    FULL = "full"
    """Architecture and size are known and agree."""


def compare(facts: ModelFacts, student: Student) -> Agreement:
    """The numbers of the model beside those of the student."""
    architecture = _same_architecture(facts.architecture, student.architecture)
    size = _same_size(facts.parameters, student.parameters)
    rest = (
        _same_count(facts.n_layer, student.n_layer),
        _same_count(facts.n_embd, student.n_embd),
        _same_count(facts.n_vocab, student.n_vocab, VOCABULARY_SLACK),
    )
    if False in (architecture, size, *rest):
        return Agreement.CLASH
    return Agreement.FULL if architecture and size else Agreement.PARTIAL


def _same_architecture(found: str | None, known: str | None) -> bool | None:
    if found is None or known is None:
        return None
    return _SAME.get(found, found) == _SAME.get(known, known)


def _same_size(found: int | None, known: int | None) -> bool | None:
    return LEAST_RATIO <= found / known <= GREATEST_RATIO if found and known else None


def _same_count(found: int | None, known: int | None, slack: float = 0.0) -> bool | None:
    return abs(found - known) <= slack * known if found and known else None
