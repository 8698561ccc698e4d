"""What the teacher would take, beside its student."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.students import Student, Teacher
from kdmgr.catalog.teachers import load_teachers
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import Verdict
from kdmgr.services.teachers import TeacherFit, describe_teacher, fit_facts, fit_teacher
from tests.support.machines import GIB, gpu, machine

CATALOG = load_catalog()
CARD = machine(gpu(12), bandwidth=40_000_000_000)
OPTIONS = RunOptions(n_ctx=8192)


def student(student_id: str) -> Student:
    found = CATALOG.get(student_id)
    assert found is not None
    return found


def fit(student_id: str, **options: object) -> TeacherFit:
    return fit_teacher(student(student_id), CARD, replace(OPTIONS, **options))  # type: ignore[arg-type]


def test_an_open_teacher_is_planned_by_its_published_shape() -> None:
    teacher = fit("deepseek-r1-distill-qwen-7b")
    assert (teacher.name, teacher.verdict, teacher.quant, teacher.n_ctx) == (
        "DeepSeek-R1",
        Verdict.TOO_BIG,
        "Q4_K_M",
        8192,
    )
    # Ollama lists the weights alone with 404 GB.
    assert teacher.memory is not None
    assert 404e9 < teacher.memory < 415e9
    assert teacher.machines == "6 × H100 80GB"
    assert teacher.smallest_card is None


def test_context_and_cache_of_the_student_are_asked_of_the_teacher() -> None:
    short, long = fit("llama-3.1-minitron-4b-width"), fit("llama-3.1-minitron-4b-width", n_ctx=65536)
    small = fit("llama-3.1-minitron-4b-width", n_ctx=65536, type_k="q8_0", type_v="q8_0")
    assert short.memory and long.memory and small.memory
    assert short.memory < small.memory < long.memory
    assert long.memory - short.memory >= 7 * GIB, "56k tokens of Llama 3.1 8B take 128 KiB each"


def test_a_teacher_cannot_have_more_context_than_it_was_trained_for() -> None:
    assert fit("falcon3-3b", n_ctx=131072).n_ctx == 32768


def test_a_small_teacher_may_run_here_and_one_card_be_enough() -> None:
    teacher = fit("llama-3.1-minitron-4b-width")
    assert teacher.verdict is Verdict.FITS
    assert teacher.speed is not None
    assert teacher.smallest_card == "GeForce RTX 3050 with 8.00 GiB"


@pytest.mark.parametrize(
    ("student_id", "basis"),
    [
        ("phi4-14b", "closed: its weights cannot be had"),
        ("llama4-maverick", "closed: its weights cannot be had"),
        ("gemma3-4b", "its makers name no teacher"),
        ("bge-m3", "no larger model to compare with"),
        ("empero-qwen3.8-9b", "whether its weights can be had is not known"),
        ("qwen3.5-9b-glm5.1-distill", "neither its shape nor its size is known"),
    ],
)
def test_what_cannot_be_sized_says_why(student_id: str, basis: str) -> None:
    teacher = fit(student_id)
    assert (teacher.verdict, teacher.memory, teacher.machines, teacher.basis) == (Verdict.UNKNOWN, None, None, basis)
    assert basis in describe_teacher(teacher)


def test_without_a_shape_the_weights_are_an_estimate_and_called_one() -> None:
    teacher = fit("nemotron-nano-9b-v2")
    assert teacher.is_estimate
    assert teacher.verdict is Verdict.UNKNOWN
    assert "12.0B parameters ×" in describe_teacher(teacher)
    assert "about" in describe_teacher(teacher)


def test_an_estimate_that_exceeds_all_memory_is_too_big() -> None:
    small = machine(gpu(2), available_gib=3)
    assert fit_teacher(student("nemotron-nano-9b-v2"), small, OPTIONS).verdict is Verdict.TOO_BIG


def test_a_teacher_of_a_users_own_entry_is_named_and_no_more() -> None:
    lineage = replace(student("gemma3-4b").lineage, teacher=Teacher("My own 70B"))
    teacher = fit_teacher(replace(student("gemma3-4b"), lineage=lineage), CARD, OPTIONS)
    assert describe_teacher(teacher) == "My own 70B: nothing more is known of this teacher"


def test_machines_whose_gpus_nobody_declared_are_no_answer() -> None:
    unknown = replace(machine(), devices_known=False)
    teacher = fit_teacher(student("deepseek-r1-distill-qwen-7b"), unknown, OPTIONS)
    assert teacher.verdict is Verdict.UNKNOWN
    assert teacher.machines == "6 × H100 80GB"


def test_every_teacher_gets_an_answer_quickly() -> None:
    for facts in load_teachers():
        fit_facts(facts, CARD, OPTIONS)
    begin = time.perf_counter()
    fit("deepseek-r1-distill-qwen-7b")
    # A few milliseconds; the bound leaves room for a machine that is busy with other things.
    assert time.perf_counter() - begin < 0.25
