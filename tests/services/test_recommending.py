"""Recommendations: the rule, one criterion after the other, each place with its reason."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kdmgr.errors import UsageError
from kdmgr.fit.machine import Machine
from kdmgr.services.ranking import RULE, by_pace
from kdmgr.services.recommending import CRITERIA, Need, Recommendation, describe_rule, rank, recommend_students
from kdmgr.units import GIB
from tests.services.choosing_rig import keep_students, machine, services_in

URL = "https://example.org/card"


def recommend(folder: Path, need: Need, place: Machine | None = None) -> Recommendation:
    return recommend_students(services_in(folder), need, place or machine(12))


def ids(found: Recommendation) -> list[str]:
    return [one.sized.student.id for one in found.students]


def score(student: float, teacher: float = 80.0, benchmark: str = "HumanEval") -> dict[str, Any]:
    return {
        "benchmark": benchmark,
        "student": student,
        "teacher": teacher,
        "teacher_name": "Big",
        "same_source": True,
        "source_url": URL,
        "teacher_source_url": URL,
    }


def entry(student_id: str, **fields: Any) -> dict[str, Any]:
    """A well-documented coder of 7B that fits 12 GiB."""
    whole: dict[str, Any] = {
        "id": student_id,
        "name": student_id,
        "modality": "text (code)",
        "parameters": 7_000_000_000,
        "context_length": 32768,
        "licence": "MIT",
        "ollama": [{"tag": f"{student_id}:7b", "size_bytes": 4_000_000_000}],
        "teacher": {"name": "Big"},
        "method": "sequence-level",
        "evidence": {"url": URL, "where": "the card", "confidence": "high"},
        "scores": [score(72.0)],
    }
    return {**whole, **fields}


@pytest.mark.parametrize(
    ("worse", "criterion", "found"),
    [
        ({"ollama": [{"tag": "b:7b", "size_bytes": 10_800_000_000}]}, "fit", "fits"),
        ({"evidence": {"url": URL, "where": "x", "confidence": "medium"}}, "evidence", "documented; the next: claimed"),
        ({"unverified": ["method"]}, "evidence", "documented; the next: claimed"),
        ({"scores": [score(71.9)]}, "kept", "90% of Big's HumanEval (72 of 80)"),
        ({"scores": []}, "kept", "the next: cannot be compared"),
        ({"scores": [{**score(79.0), "same_source": False}]}, "kept", "the next: cannot be compared"),
        ({"parameters": 5_000_000_000}, "size", "7.0B parameters; the next: 5.0B parameters"),
        ({"ollama": [{"tag": "b:7b", "size_bytes": 4_400_000_000}]}, "speed", "at most 75 tok/s"),
        ({}, "nothing but its name", "its equal by this rule"),
    ],
)
def test_each_criterion_decides_where_all_before_it_are_alike(
    tmp_path: Path, worse: dict[str, Any], criterion: str, found: str
) -> None:
    keep_students(tmp_path, entry("worse-b", **worse), entry("better-a"))
    answer = recommend(tmp_path, Need("code", benchmark="HumanEval"))
    ours = [one for one in answer.students if one.sized.student.id in ("better-a", "worse-b")]
    assert [one.sized.student.id for one in ours] == ["better-a", "worse-b"]
    first = rank(ours)[0]
    assert (first.ahead or "").startswith(criterion)
    assert found in (first.ahead or "")


def test_an_earlier_criterion_outweighs_all_later_ones(tmp_path: Path) -> None:
    keep_students(
        tmp_path,
        entry("small-but-documented", parameters=1_000_000_000, scores=[score(8.0)]),
        entry("large-but-claimed", evidence={"url": URL, "where": "x", "confidence": "medium"}, scores=[score(80.0)]),
        entry("disputed", evidence={"url": URL, "where": "x", "confidence": "medium"}, disputed="the word"),
    )
    found = ids(recommend(tmp_path, Need("code", benchmark="HumanEval")))
    ours = ["small-but-documented", "large-but-claimed", "disputed"]
    assert [one for one in found if one in ours] == ours


def test_the_shipped_catalog_is_ranked_by_the_rule(tmp_path: Path) -> None:
    for task in ("chat", "reasoning", "maths", "code", "tools", "vision", "embedding"):
        n_ctx = 512 if task == "embedding" else 8192
        answer = recommend(tmp_path, Need(task, n_ctx))
        assert answer.students, task
        for one, after in pairwise(answer.students):
            keys = [[criterion.key(each.standing) for criterion in CRITERIA] for each in (one, after)]
            assert keys[0] <= keys[1]
        assert len(answer.students) + len(answer.left_out) + answer.n_without_task == 136


def test_students_are_compared_on_one_benchmark_of_the_task(tmp_path: Path) -> None:
    answer = recommend(tmp_path, Need("code"))
    assert answer.benchmark == "LiveCodeBench v5"
    shown = [one.score for one in answer.students if one.score]
    assert len(shown) > 3
    assert {one.benchmark for one in shown} == {"LiveCodeBench v5"}
    assert all(one.same_source for one in shown)
    assert recommend(tmp_path, Need("embedding", 512)).benchmark is None, "no embedding has its teacher's score beside"
    with pytest.raises(UsageError, match="none of these can be compared on Chess"):
        recommend(tmp_path, Need("code", benchmark="Chess"))


def test_each_says_why_it_is_for_the_task(tmp_path: Path) -> None:
    for one in recommend(tmp_path, Need("vision")).students:
        assert "image" in one.why_task
        assert [name for name, _ in one.reasons] == [criterion.name for criterion in CRITERIA]


@pytest.mark.parametrize(
    ("need", "student_id", "reason"),
    [
        (Need("chat", 32768), "gemma2-9b", "was trained for 8k, and 32k are asked for"),
        (Need("chat"), "llama4-maverick", "too big: needs about"),
        (Need("chat"), "deepseek-r1-distill-qwen-32b", "partial: needs "),
        (Need("chat", open_licence=True), "llama3.2-3b", "its licence is not open: Llama 3.2"),
        (Need("chat", open_licence=True), "openthinker-7b", "has not been verified"),
        (Need("chat", open_licence=True), "llama-3.1-nemotron-nano-4b-v1.1", "its licence"),
        (Need("chat", installed=True), "qwen3-8b", "is not installed"),
        (Need("chat", most_parameters=4_000_000_000), "qwen3-8b", "has 8.2B parameters"),
        (Need("chat"), "bespoke-stratos-7b", "no file of it is listed"),
    ],
)
def test_what_is_left_out_is_said_to_be_and_why(tmp_path: Path, need: Need, student_id: str, reason: str) -> None:
    answer = recommend(tmp_path, need)
    reasons = {left.student.id: left.reason for left in answer.left_out}
    assert student_id not in ids(answer)
    assert reason in reasons[student_id]


def test_partly_fitting_ones_come_last_and_only_when_asked_for(tmp_path: Path) -> None:
    whole = recommend(tmp_path, Need("reasoning"))
    partly = recommend(tmp_path, Need("reasoning", partial=True))
    assert ids(partly)[: len(whole.students)] == ids(whole)
    assert "deepseek-r1-distill-qwen-32b" in ids(partly)[len(whole.students) :]


def test_without_a_gpu_the_hosts_memory_counts(tmp_path: Path) -> None:
    answer = recommend(tmp_path, Need("chat"), machine(host_gib=8))
    assert ids(answer)
    assert all((one.sized.memory_bytes or 0) <= 8 * GIB for one in answer.students)


def test_what_cannot_keep_up_with_a_reader_comes_last(tmp_path: Path) -> None:
    slow = replace(machine(host_gib=64), host=replace(machine(host_gib=64).host, bandwidth=20 * GIB))
    answer = recommend(tmp_path, Need("chat"), slow)
    paces = [by_pace(one.standing) for one in answer.students]
    assert paces == sorted(paces)
    assert set(paces) == {0, 2}
    last = next(one for one in reversed(answer.students) if by_pace(one.standing) == 0)
    assert (last.ahead or "").startswith("pace: as fast as one reads; the next: ")


def test_the_rule_is_applied_as_it_is_written() -> None:
    assert tuple(criterion.key for criterion in CRITERIA) == RULE


def test_the_rule_is_written_down_as_it_is_applied() -> None:
    rule = describe_rule()
    assert [sentence.partition(":")[0] for sentence in rule] == [
        f"{number}. {criterion.name}" for number, criterion in enumerate(CRITERIA, start=1)
    ]
