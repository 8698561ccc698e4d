"""The teachers: which models stand behind the wordings of the catalog's entries, and whether they can be had.

`teachers.jsonl` has one line for each. `wordings` are the teacher's names in students' entries, verbatim; one
wording may name two teachers. `kind` is "model", "self" (taught by its own kind) or "unnamed".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kdmgr.catalog.names import split_words
from kdmgr.catalog.students import Student

MODEL, SELF, UNNAMED = "model", "self", "unnamed"


@dataclass(frozen=True, slots=True)
class TeacherFacts:
    """One teacher. Sizes in bytes; `parameters` as published, so rounded."""

    id: str
    name: str
    kind: str
    aliases: tuple[str, ...]
    wordings: tuple[str, ...]
    is_open: bool | None
    """Whether its weights can be had; None where that is not known."""
    parameters: int | None
    active_parameters: int | None
    hf_repo: str | None
    ollama: str | None
    ollama_size: int | None
    """As the library lists it, so rounded."""
    source: str | None
    note: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """Everything it may be called by."""
        tag = self.ollama or ""
        return tuple(filter(None, (self.id, self.name, *self.aliases, self.hf_repo, tag)))


def load_teachers() -> Iterator[TeacherFacts]:
    """Every teacher, sorted by id."""
    return map(_decode, _lines())


def find_teachers(student: Student) -> tuple[TeacherFacts, ...]:
    """Those who taught `student`, by the wording of its entry: the one that its repository names comes first.

    Empty for a wording that no line knows, as in a user's own entry.
    """
    teacher = student.lineage.teacher
    needles = [json.dumps(text, ensure_ascii=False) for text in (teacher.name, teacher.hf_repo) if text]
    lines = [line for line in _lines() if any(needle in line for needle in needles)]
    found = [facts for facts in map(_decode, lines) if taught_by(facts, student)]
    return tuple(sorted(found, key=lambda facts: facts.hf_repo != teacher.hf_repo))


def match_teachers(text: str, teachers: list[TeacherFacts]) -> list[TeacherFacts]:
    """The teachers that `text` names: whole names first, else every name that begins with its words."""
    wanted, lowered = split_words(text), text.casefold()
    exact = [each for each in teachers if lowered in (name.casefold() for name in each.names)]
    named = exact or [each for each in teachers if wanted and wanted in map(split_words, each.names)]
    named = named or [each for each in teachers if _is_ollama_model(each, lowered)]
    if named or not wanted:
        return named
    return [each for each in teachers if any(split_words(name)[: len(wanted)] == wanted for name in each.names)]


def _is_ollama_model(facts: TeacherFacts, text: str) -> bool:
    """Whether `text` is its name in Ollama's library without the tag, or without what ends the tag (a quant)."""
    name = (facts.ollama or "").casefold()
    return bool(name) and (name.partition(":")[0] == text or name.startswith(f"{text}-"))


def taught_by(facts: TeacherFacts, student: Student) -> bool:
    """Whether the student's entry means this teacher."""
    teacher = student.lineage.teacher
    named = facts.hf_repo is not None and facts.hf_repo == teacher.hf_repo
    return teacher.name in facts.wordings or named


def _lines() -> list[str]:
    return Path(__file__).with_name("teachers.jsonl").read_text(encoding="utf-8").splitlines()


def _decode(line: str) -> TeacherFacts:
    entry = json.loads(line)
    return TeacherFacts(
        id=entry["id"],
        name=entry["name"],
        kind=entry["kind"],
        aliases=tuple(entry["aliases"]),
        wordings=tuple(entry["wordings"]),
        is_open=entry["open"],
        parameters=entry["parameters"],
        active_parameters=entry["active_parameters"],
        hf_repo=entry["hf_repo"],
        ollama=entry["ollama"],
        ollama_size=entry["ollama_size_bytes"],
        source=entry["source"],
        note=entry["note"],
    )
