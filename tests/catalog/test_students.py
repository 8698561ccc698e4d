"""Retention and grades: what may be divided, and what may be called documented."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.students import Grade, Score, find_doubts, grade_lineage

SCORE = Score(
    benchmark="MATH-500",
    shots="pass@1",
    student=92.8,
    teacher=97.3,
    teacher_name="DeepSeek-R1",
    lower_is_better=False,
    same_source=True,
    source_url="https://example.org/card",
    teacher_source_url="https://example.org/card",
)


def test_retention_is_the_share_of_the_teachers_score() -> None:
    assert SCORE.retention == pytest.approx(0.9538, abs=1e-4)


def test_retention_is_inverted_where_lower_is_better() -> None:
    perplexity = replace(SCORE, student=21.1, teacher=16.3, lower_is_better=True)
    assert perplexity.retention == pytest.approx(0.7725, abs=1e-4)
    assert replace(perplexity, student=15.0).retention == pytest.approx(1.0867, abs=1e-4)


@pytest.mark.parametrize(
    "score",
    [
        replace(SCORE, same_source=False),
        replace(SCORE, same_source=None, teacher=None),
        replace(SCORE, teacher=0),
        replace(SCORE, student=0, lower_is_better=True),
        replace(SCORE, benchmark="Codeforces rating", student=1189, teacher=2029),
    ],
    ids=["two sources", "no teacher", "a teacher at zero", "an error rate of zero", "a rating"],
)
def test_what_cannot_be_divided_has_no_retention(score: Score) -> None:
    assert score.retention is None


def test_the_catalog_divides_only_scores_of_one_source() -> None:
    scores = [score for student in load_catalog() for score in student.scores]
    assert len(scores) == 307
    assert sum(score.retention is not None for score in scores) == 146
    assert all(score.same_source for score in scores if score.retention is not None)


@pytest.mark.parametrize(
    ("confidence", "unverified", "grade"),
    [
        ("high", (), Grade.DOCUMENTED),
        ("high", ("licence", "released", "hf_repo", "notes"), Grade.DOCUMENTED),
        ("high", ("method.online_or_offline",), Grade.CLAIMED),
        ("high", ("teacher.name",), Grade.CLAIMED),
        ("high", ("method_note.base_model",), Grade.CLAIMED),
        ("high", ("losses",), Grade.CLAIMED),
        ("medium", (), Grade.CLAIMED),
        ("medium", ("is_student(size)",), Grade.UNVERIFIED),
        ("high", ("is_student(size)",), Grade.UNVERIFIED),
        ("low", (), Grade.UNVERIFIED),
    ],
)
def test_grades_follow_the_rule(confidence: str, unverified: tuple[str, ...], grade: Grade) -> None:
    assert grade_lineage(confidence, find_doubts(unverified)) is grade


def test_a_doubt_about_a_detail_is_a_doubt_about_the_field() -> None:
    gemma = load_catalog().get("gemma3-4b")
    assert gemma is not None
    assert gemma.lineage.doubts == ("method.online_or_offline",)
    assert gemma.is_unverified("method")
    assert not gemma.is_unverified("method_note")
    assert not gemma.is_unverified("meth")
