"""Whom a model is compared with: what tells most comes first."""

from __future__ import annotations

from dataclasses import replace

from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.match import Certainty, Match
from kdmgr.refs import parse_ollama_name
from kdmgr.services.opponents import propose_opponents
from kdmgr.services.rows import ModelRow

TAUGHT = next(
    student
    for student in load_catalog()
    if student.ollama
    and student.lineage.teacher.ollama
    and student.lineage.teacher.hf_repo != student.hf_repo
    and student.lineage.teacher.ollama not in [tag.tag for tag in student.ollama]
)


def row(name: str, *, quant: str | None = None, match: Match | None = None, origin: str = "kdmgr") -> ModelRow:
    return ModelRow(f"{origin}/{name}", name, parse_ollama_name(name), origin, 1 << 30, None, quant, None, match)


def student(relation: str = "itself") -> Match:
    return Match(TAUGHT, (), Certainty.STRONG, relation)


def test_the_teacher_first_then_kin_then_the_rest_and_itself_last() -> None:
    teacher = row(str(TAUGHT.lineage.teacher.ollama))
    this = row("mine:q4", quant="Q4_K_M", match=student())
    others = [
        row("unrelated"),
        row("mine:q8", quant="Q8_0", match=student()),
        teacher,
        row("tuned", match=student("derived")),
        row("known", origin="catalog"),
    ]
    found = propose_opponents(this, [this, *others])
    assert [(one.name, one.why) for one in found] == [
        (teacher.name, "its teacher"),
        ("tuned", "made from it"),
        ("mine:q8", "another quant: Q8_0"),
        ("unrelated", "installed"),
        ("mine:q4", "the same model again"),
    ]


def test_a_teacher_is_offered_its_students() -> None:
    teacher, taught = row(str(TAUGHT.lineage.teacher.ollama)), row("mine", match=student())
    assert propose_opponents(teacher, [teacher, taught])[0].why == "a student of it"


def test_a_teacher_that_is_not_here_is_named_with_how_to_get_it() -> None:
    first = propose_opponents(row("mine", match=student()), [])[0]
    assert first.row is None and first.name == TAUGHT.lineage.teacher.name
    assert first.hint == f"kdmgr pull {TAUGHT.lineage.teacher.ollama}"


def test_tags_of_one_name_are_quants_of_it() -> None:
    this, other = row("m:q4", quant="Q4_0"), row("m:q8", quant="Q8_0")
    assert propose_opponents(this, [other])[0].why == "another quant: Q8_0"
    assert propose_opponents(this, [replace(other, quant=None)])[0].why == "another copy of it"
