"""The ladder of a teacher, on machines of several sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdmgr.config import Settings
from kdmgr.errors import NotFound
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import Verdict
from kdmgr.models.own_store import OwnStore
from kdmgr.paths import Paths
from kdmgr.services.app import Services
from kdmgr.services.teacher_ladder import Rung, TeacherLadder, build_ladder, list_teachers
from tests.models.storing import add_model
from tests.support.sparse import RECIPES, write_sparse


@pytest.fixture
def services(tmp_path: Path) -> Services:
    paths = Paths(tmp_path / "data", tmp_path / "config", tmp_path / "cache", tmp_path / "ollama")
    return Services(paths, Settings(), {"OLLAMA_HOST": "127.0.0.1:9", "HF_HOME": str(tmp_path)})


def build(services: Services, text: str, gpu: str = "RTX 3060 12GB", quant: str | None = None) -> TeacherLadder:
    services.plan_for((gpu,), None)
    return build_ladder(services, text, RunOptions(), quant)


def rung(ladder: TeacherLadder, student_id: str) -> Rung:
    return next(each for each in ladder.rungs if each.student.id == student_id)


def test_rungs_go_up_by_size_and_students_of_a_student_follow_it(services: Services) -> None:
    ladder = build(services, "deepseek-r1")
    sizes = [each.student.parameters or 0 for each in ladder.rungs]
    assert sizes == sorted(sizes)
    ids = [each.student.id for each in ladder.rungs]
    below = ids[ids.index("deepseek-r1-distill-qwen-14b") + 1 :][:3]
    assert below == ["acereason-nemotron-14b", "deepcoder-14b", "fairyr1-14b-preview"]
    assert rung(ladder, "acereason-nemotron-14b").is_inherited
    assert not rung(ladder, "deepseek-r1-distill-qwen-14b").is_inherited


@pytest.mark.parametrize(
    ("gpu", "highest", "verdict"),
    [
        ("RTX 3060 12GB", "deepseek-r1-distill-qwen-14b", Verdict.FITS),
        ("RTX 3090", "deepseek-r1-distill-qwen-32b", Verdict.FITS),
        ("H100 80GB HBM3", "deepseek-r1-distill-llama-70b", Verdict.FITS),
    ],
)
def test_the_highest_rung_follows_the_card(services: Services, gpu: str, highest: str, verdict: Verdict) -> None:
    found = build(services, "deepseek-r1", gpu).highest
    assert found is not None
    assert (found.student.id, found.size.verdict) == (highest, verdict)


def test_the_benchmark_is_the_one_that_most_share_with_this_teacher(services: Services) -> None:
    ladder = build(services, "deepseek-r1")
    assert (ladder.benchmark, ladder.n_retained) == ("AIME 2024", 8)
    kept = rung(ladder, "deepseek-r1-distill-qwen-7b").retention
    assert kept is not None
    assert kept.share == pytest.approx(55.5 / 79.8)
    # Its AIME 2024 was held against its parent, Llama 3.3 70B, which is another of its teachers.
    assert rung(ladder, "llama-3.3-nemotron-super-49b-v1").retention is None


def test_a_coarser_quant_lets_a_higher_rung_in(services: Services) -> None:
    fine, coarse = build(services, "deepseek-r1", quant="Q8_0"), build(services, "deepseek-r1", quant="Q4_0")
    assert fine.highest and coarse.highest
    assert (fine.highest.student.parameters or 0) < (coarse.highest.student.parameters or 0)
    assert {each.size.quant for each in fine.rungs} == {"Q8_0"}


def test_what_no_shape_is_known_of_is_estimated_and_never_the_highest_of_planned_ones(services: Services) -> None:
    ladder = build(services, "deepseek-r1")
    size = rung(ladder, "olmo-3-7b-think").size
    assert (size.planned, size.words) == (False, "estimated from the size listed for olmo-3:7b")
    assert ladder.highest is not None
    assert ladder.highest.size.planned


def test_an_installed_student_is_sized_by_its_own_header(services: Services, tmp_path: Path) -> None:
    named = {**RECIPES["llama-3.2-1b"].metadata, "general.name": "Llama 3.2 1B Instruct"}
    path = write_sparse(replace(RECIPES["llama-3.2-1b"], metadata=named), tmp_path)
    add_model(OwnStore(services.paths.store), path, "llama3.2:1b")
    size = rung(build(services, "llama 3.1 8b"), "llama3.2-1b").size
    assert (size.installed, size.read, size.words) == (("llama3.2:1b",), True, "planned for llama3.2:1b, installed")


def test_a_family_is_a_ladder_too_whoever_taught_it(services: Services) -> None:
    ladder = build(services, "gemma")
    assert ladder.by_family
    assert {each.student.family for each in ladder.rungs} == {"gemma2", "gemma3", "gemma3n", "gemma4"}
    assert ladder.benchmark is None, "no Gemma has a score beside a teacher's"
    assert [teacher.basis for teacher in ladder.teachers] == ["its makers name no teacher"]


def test_a_student_gives_the_ladder_that_it_stands_on(services: Services) -> None:
    ladder = build(services, "deepseek-r1:7b")
    assert ladder.asked_student is not None
    assert (ladder.asked_student.id, ladder.by_family) == ("deepseek-r1-distill-qwen-7b", False)
    assert [teacher.name for teacher in ladder.teachers] == ["DeepSeek-R1"]


def test_a_name_that_several_teachers_bear_means_all_of_them(services: Services) -> None:
    names = [teacher.name for teacher in build(services, "llama").teachers]
    assert {"Llama 3.1 8B", "Llama 3.1 70B", "Llama 4 Behemoth"} <= set(names)


def test_a_name_that_nobody_bears_is_answered_with_those_like_it(services: Services) -> None:
    with pytest.raises(NotFound) as raised:
        build(services, "deepsek-r1")
    assert raised.value.hint == "did you mean deepseek-r1, deepseek-r1-0528?"
    with pytest.raises(NotFound) as raised:
        build(services, "??")
    assert "kdmgr ladder" in (raised.value.hint or "")


def test_teachers_are_listed_with_most_students_first(services: Services) -> None:
    rows = list_teachers(services.catalog)
    assert rows[0].facts.id == "deepseek-r1"
    counts = [row.n_students for row in rows if row.facts.kind == "model"]
    assert counts == sorted(counts, reverse=True)
    assert {row.facts.kind for row in rows[len(counts) :]} == {"self", "unnamed"}
    assert all(row.n_students for row in rows)
