"""Tasks and licences: what an entry speaks for, with the reason, and nothing more."""

from __future__ import annotations

import pytest

from kdmgr.catalog.licences import is_open, why_not_open
from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.students import Student
from kdmgr.catalog.tasks import TASKS, chats, tasks_of, why_task

CATALOG = load_catalog()


def get(student_id: str) -> Student:
    student = CATALOG.get(student_id)
    assert student is not None
    return student


@pytest.mark.parametrize(
    ("student_id", "tasks"),
    [
        ("deepseek-r1-distill-qwen-7b", ("chat", "reasoning", "maths", "code")),
        ("magicoder-s-cl-7b", ("chat", "code")),
        ("qwen3-vl-4b", ("chat", "vision", "video")),
        ("embeddinggemma-300m", ("embedding",)),
        ("llama-guard3-1b", ("safety",)),
        ("distil-whisper-large-v3", ("transcription",)),
        ("distilbert-base-uncased", ("encoding",)),
        ("minitron-4b-base", ()),
        ("distilgpt2", ()),
    ],
)
def test_tasks_follow_from_the_entry(student_id: str, tasks: tuple[str, ...]) -> None:
    assert tasks_of(get(student_id)) == tasks


def test_each_task_says_what_speaks_for_it() -> None:
    student = get("deepseek-r1-distill-qwen-7b")
    assert why_task(student, TASKS["code"]) == "measured on LiveCodeBench, Codeforces rating"
    assert why_task(get("olmo-3-7b-think"), TASKS["reasoning"]) == 'its name or recipe says "Think"'
    assert why_task(get("gemma3-4b"), TASKS["vision"]) == "its modality is text+image"
    assert why_task(student, TASKS["vision"]) is None


def test_every_task_has_a_student_and_every_student_that_chats_has_the_task() -> None:
    named = {name for student in CATALOG for name in tasks_of(student)}
    assert named == set(TASKS)
    assert all(("chat" in tasks_of(student)) is chats(student) for student in CATALOG)


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("Apache-2.0", True),
        ("MIT (base Qwen2.5: Apache-2.0)", True),
        ("CC-BY-4.0 (base Apache-2.0)", True),
        ("MIT (base: Llama 3.3 Community License)", False),
        ("NVIDIA Open Model License", False),
        ("LFM Open License v1.0", False),
        ("", False),
        (None, None),
    ],
)
def test_a_licence_is_open_with_all_its_parts(licence: str | None, expected: bool | None) -> None:
    assert is_open(licence) is expected


def test_a_licence_nobody_verified_cannot_be_counted_on() -> None:
    assert why_not_open(get("qwen3-8b")) is None
    assert "has not been verified" in (why_not_open(get("openthinker-7b")) or "")
    assert "is not open" in (why_not_open(get("llama3.2-3b")) or "")
