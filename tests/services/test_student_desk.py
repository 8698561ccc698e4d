"""What the table of students asks: sizes, stories, and what a removal would free."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import Verdict
from kdmgr.services.app import Services
from kdmgr.services.facets import LICENCE, OPEN, TEACHER, Facet, facets_of
from kdmgr.services.rows import ModelRow
from tests.support.machines import gpu, machine

MACHINE = machine(gpu(10.4, total_gib=12), available_gib=24)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    folders = ("KDMGR_DATA_DIR", "KDMGR_CONFIG_DIR", "OLLAMA_MODELS")
    env = {name: str(tmp_path / name) for name in folders}
    return Services.create({**env, "OLLAMA_HOST": "127.0.0.1:9"})


def row_of(services: Services, student: str) -> ModelRow:
    return next(row for row in services.model_rows() if row.match and row.match.student.id == student)


def test_every_student_is_sized(services: Services) -> None:
    students = list(services.catalog)
    sized = dict(services.student_desk.size(students, MACHINE, RunOptions(n_ctx=8192)))
    assert set(sized) == set(students)
    assert {one.n_ctx for one in sized.values()} >= {8192}
    assert any(one.verdict is Verdict.FITS for one in sized.values())


def test_a_story_plans_every_quant_of_a_published_shape(services: Services) -> None:
    row = row_of(services, "deepseek-r1-distill-qwen-14b")
    story = services.student_desk.tell(row, None, MACHINE, RunOptions(n_ctx=8192))
    assert story is not None
    sizes = [rung.weights for rung in story.quants]
    assert None not in sizes and sizes == sorted(sizes, key=lambda size: size or 0)
    by_quant = {rung.quant: rung for rung in story.quants}
    here = by_quant["Q4_K_M"]
    assert here.is_here == (row.quant == "Q4_K_M")
    assert here.memory is not None and here.weights is not None and here.memory > here.weights
    assert by_quant["F16"].verdict is not Verdict.FITS
    assert story.teacher.name == "DeepSeek-R1" and story.teacher.verdict is Verdict.TOO_BIG


def test_what_is_no_student_has_no_story(services: Services) -> None:
    from dataclasses import replace

    row = replace(row_of(services, "deepseek-r1-distill-qwen-14b"), match=None)
    assert services.student_desk.tell(row, None, MACHINE, RunOptions()) is None


def test_without_a_shape_only_listed_tags_are_quants_and_not_judged(services: Services) -> None:
    row = next(row for row in services.model_rows() if row.name == "all-MiniLM-L6-v2")
    story = services.student_desk.tell(row, None, MACHINE, RunOptions())
    assert story is not None
    assert all(rung.memory is None and rung.verdict is Verdict.UNKNOWN for rung in story.quants)


def test_what_is_not_installed_is_not_removed(services: Services) -> None:
    row = row_of(services, "deepseek-r1-distill-qwen-14b")
    removal = services.student_desk.plan_removal([row])
    assert removal.chosen == () and removal.freed.known == 0
    assert removal.problems == (f"{row.name} is not installed",)


def test_facets_are_what_the_entry_says(services: Services) -> None:
    for student in services.catalog:
        facets = facets_of(student)
        assert Facet(TEACHER, student.lineage.teacher.name) in facets
        if student.licence is None:
            assert Facet(LICENCE, OPEN) not in facets
