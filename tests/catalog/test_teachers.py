"""Teachers, published shapes and chains: every entry of the catalog walked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import kdmgr.catalog
from kdmgr.catalog.chain import walk_chain
from kdmgr.catalog.load import Catalog, load_catalog
from kdmgr.catalog.shapes import SourcedShape, find_shape, find_student_shape
from kdmgr.catalog.students import Student
from kdmgr.catalog.teachers import MODEL, find_teachers, load_teachers, match_teachers
from kdmgr.gguf.published import read_published
from kdmgr.gguf.published_tensors import BUILDABLE

SHAPES = [
    json.loads(line)
    for line in Path(kdmgr.catalog.__file__).with_name("shapes.jsonl").read_text(encoding="utf-8").splitlines()
]
TEACHERS = list(load_teachers())
CATALOG = load_catalog()


def find(student_id: str) -> Student:
    student = CATALOG.get(student_id)
    assert student is not None
    return student


def shape_of(student_id: str) -> SourcedShape | None:
    student = find(student_id)
    return find_student_shape(student, walk_chain(student, CATALOG))


@pytest.mark.parametrize("student", list(CATALOG), ids=lambda student: student.id)
def test_every_wording_of_a_teacher_leads_to_a_line(student: Student) -> None:
    found = find_teachers(student)
    assert found
    if student.lineage.teacher.hf_repo and found[0].kind == MODEL:
        assert found[0].hf_repo == student.lineage.teacher.hf_repo
    for facts in found:
        if student.lineage.teacher.is_open is False and len(found) == 1:
            assert facts.is_open in (False, None)


def test_every_teacher_is_someones() -> None:
    taught = {facts.id for student in CATALOG for facts in find_teachers(student)}
    assert {facts.id for facts in TEACHERS} == taught


def test_teachers_are_sorted_unique_and_sourced() -> None:
    ids = [facts.id for facts in TEACHERS]
    assert ids == sorted(set(ids))
    for facts in TEACHERS:
        if facts.source:
            assert urlsplit(facts.source).scheme == "https"
        if facts.is_open and facts.kind == MODEL:
            assert facts.source or facts.note, facts.id
        if facts.hf_repo:
            assert facts.is_open, facts.id


def test_one_name_means_one_teacher() -> None:
    owners: dict[str, str] = {}
    for facts in TEACHERS:
        for name in facts.names:
            assert owners.setdefault(name.casefold(), facts.id) == facts.id


@pytest.mark.parametrize("entry", SHAPES, ids=lambda entry: entry["id"])
def test_a_shape_has_a_source_and_can_be_built(entry: dict[str, str]) -> None:
    assert urlsplit(entry["source"]).scheme == "https"
    assert entry["architecture"] in BUILDABLE
    for repo in entry["repos"]:
        assert find_shape(repo)


def test_a_shape_counts_as_many_parameters_as_are_published() -> None:
    counted = 0
    for facts in TEACHERS:
        found = find_shape(facts.hf_repo)
        if found and facts.parameters:
            built = read_published(found.shape, "F16").parameters
            assert built == pytest.approx(facts.parameters, rel=0.09), facts.id
            counted += 1
    for student in CATALOG:
        shape = find_student_shape(student, walk_chain(student, CATALOG))
        if shape and student.parameters:
            # Marketing sizes: a "1.5B" has 1.78e9 parameters, a "4B" Minitron 4.51e9, and Falcon3 1B 1.67e9.
            built = read_published(shape.shape, "F16").parameters
            assert 0.85 < built / student.parameters < 1.68, student.id
            counted += 1
    assert counted > 70


def test_a_pruned_student_does_not_get_the_shape_it_was_cut_from() -> None:
    assert shape_of("llama-3.1-minitron-4b-depth") is None
    cut, whole = shape_of("llama-3.1-minitron-4b-width"), find_shape("meta-llama/Llama-3.1-8B")
    assert cut and whole
    assert cut.shape.n_embd < whole.shape.n_embd


def test_a_student_keeps_the_shape_of_its_base_and_its_own_context() -> None:
    found = shape_of("deepseek-r1-distill-qwen-7b")
    assert found is not None
    assert (found.of, found.shape.n_layer, found.shape.n_ctx_train) == ("Qwen/Qwen2.5-Math-7B", 28, 131072)


def test_a_shape_is_inherited_through_a_chain() -> None:
    found = shape_of("acereason-nemotron-14b")
    assert found is not None
    assert (found.of, found.shape.n_layer) == ("Qwen/Qwen2.5-14B", 48)


def test_the_chain_of_a_student_of_a_student_is_walked_to_its_end() -> None:
    links = walk_chain(find("acereason-nemotron-14b"), CATALOG)
    assert [link.base.name for link in links] == ["DeepSeek-R1-Distill-Qwen-14B", "Qwen2.5-14B"]
    assert links[0].student is find("deepseek-r1-distill-qwen-14b")
    assert find_teachers(links[0].student)[0].id == "deepseek-r1"
    assert links[1].student is None


def test_a_cascade_is_a_chain() -> None:
    names = [link.base.name for link in walk_chain(find("ministral-3-3b"), CATALOG)]
    assert names == ["Ministral 3 8B", "Ministral 3 14B", "Mistral Small 3.1 24B"]


def test_a_ring_in_a_users_file_ends() -> None:
    mini = find("nemotron-mini-4b")
    base = find("minitron-4b-base")
    assert mini.base and base.base
    ring = replace(base, base=replace(mini.base, student="nemotron-mini-4b"))
    links = walk_chain(mini, Catalog([], {"nemotron-mini-4b": mini, "minitron-4b-base": ring}))
    assert [link.base.name for link in links] == ["Minitron-4B-Base", "Minitron-4B-Base"]
    assert links[-1].student is None


def test_bases_name_entries_that_exist_and_pages() -> None:
    for student in CATALOG:
        if student.base is None:
            continue
        assert student.base.source_url == student.evidence.url
        assert student.base.student is None or CATALOG.get(student.base.student), student.id


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("deepseek-r1", ["deepseek-r1"]),
        ("DeepSeek R1", ["deepseek-r1"]),
        ("deepseek-ai/deepseek-r1", ["deepseek-r1"]),
        ("deepseek-r1:671b-q4_K_M", ["deepseek-r1"]),
        ("deepseek-r1:671b", ["deepseek-r1"]),
        ("qwen3:235b-a22b", ["qwen3-235b-a22b"]),
        ("mistral-nemo", ["mistral-nemo-12b"]),
        ("llama3.1", ["llama-3.1-405b", "llama-3.1-70b", "llama-3.1-8b"]),
        ("GPT-4", ["gpt-4"]),
        ("nothing", []),
        ("", []),
    ],
)
def test_a_teacher_is_found_by_any_of_its_names(text: str, ids: list[str]) -> None:
    assert [facts.id for facts in match_teachers(text, TEACHERS)] == ids
