"""Retention, gap closed, and the reasons why they cannot always be told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.retention import describe_precision, find_retention, retain, retain_by, shared_benchmark
from kdmgr.catalog.students import BaseScore, Score, Student

CARD = "https://example.org/card"
SCORE = Score("MATH-500", "pass@1", 92.8, 97.3, "DeepSeek-R1", False, True, CARD, CARD)
BASE = BaseScore("Qwen2.5-Math-7B", 80.0, CARD)


def find(student_id: str) -> Student:
    student = load_catalog().get(student_id)
    assert student is not None
    return student


def test_a_share_comes_without_a_reason_and_a_reason_without_a_share() -> None:
    for student in load_catalog():
        for each in find_retention(student):
            assert (each.share is None) == (each.why_no_share is not None)
            assert (each.gap_closed is None) == (each.why_no_gap is not None)


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (replace(SCORE, same_source=False), "teacher's score is from another source"),
        (replace(SCORE, same_source=None, teacher=None), "no teacher score"),
        (replace(SCORE, benchmark="Codeforces rating"), "a rating: it has differences, no shares"),
        (replace(SCORE, teacher=0), "a score of zero cannot be divided by"),
    ],
    ids=["two sources", "no teacher", "a rating", "zero"],
)
def test_what_cannot_be_divided_says_why(score: Score, reason: str) -> None:
    assert retain(score).why_no_share == reason


def test_a_rating_keeps_its_difference() -> None:
    rating = replace(SCORE, benchmark="Codeforces rating", student=1189, teacher=2029)
    assert retain(rating).points == -840
    assert retain(replace(rating, same_source=False)).points is None


def test_the_gap_is_measured_from_the_base() -> None:
    assert retain(replace(SCORE, base=BASE)).gap_closed == pytest.approx((92.8 - 80) / (97.3 - 80))


def test_the_gap_of_an_error_rate_is_measured_downwards() -> None:
    error = replace(SCORE, student=20, teacher=10, lower_is_better=True, base=replace(BASE, score=40))
    assert retain(error).gap_closed == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (SCORE, "no score of its base"),
        (replace(SCORE, base=BASE, same_source=False), "teacher's score is from another source"),
        (replace(SCORE, base=replace(BASE, source_url="https://example.org/2")), "base's score is from another source"),
        (replace(SCORE, base=replace(BASE, score=98)), "the teacher is not ahead of the base"),
    ],
    ids=["no base", "two sources", "base from elsewhere", "no gap"],
)
def test_a_gap_that_cannot_be_told_says_why(score: Score, reason: str) -> None:
    found = retain(score)
    assert (found.gap_closed, found.why_no_gap) == (None, reason)


def test_the_base_of_acereason_was_measured_beside_it() -> None:
    gaps = {each.score.benchmark: each.gap_closed for each in find_retention(find("acereason-nemotron-14b"))}
    assert gaps["AIME 2024"] == pytest.approx(0.881, abs=1e-3)
    assert gaps["AIME 2025"] == pytest.approx(0.869, abs=1e-3)


def test_base_scores_come_from_the_page_that_printed_the_others() -> None:
    found = [score for student in load_catalog() for score in student.scores if score.base]
    assert len(found) == 8
    assert all(score.base and score.base.source_url == score.source_url for score in found)


def test_the_benchmark_that_most_share_is_chosen() -> None:
    students = [student for student in load_catalog() if student.id.startswith("deepseek-r1-distill")]
    assert shared_benchmark(students) == "AIME 2024"
    assert shared_benchmark([find("gemma3-4b")]) is None


def test_a_benchmark_without_a_share_still_says_why() -> None:
    bespoke = find("bespoke-stratos-7b")
    found = retain_by(bespoke, bespoke.scores[0].benchmark)
    assert found is not None
    assert found.share is None
    assert retain_by(bespoke, "no such benchmark") is None


def test_precision_names_the_quant_in_use() -> None:
    assert "Q4_K_M" in describe_precision("Q4_K_M")
    assert "BF16 or FP8" in describe_precision(None)
