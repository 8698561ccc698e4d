"""What suggests distillation, and what only looks like it."""

from __future__ import annotations

import pytest

from kdmgr.catalog.signs import find_signs


@pytest.mark.parametrize(
    ("repo", "tags", "bases", "kinds"),
    [
        ("bartowski/DeepSeek-R1-Distill-Qwen-7B-GGUF", (), (), ["name"]),
        ("a/Qwen3-4B-Opus-Distilled", (), (), ["name"]),
        ("a/distilbert-base-uncased", (), (), ["name"]),
        ("nvidia/Llama-3.1-Minitron-4B-Width-Base", (), (), ["name"]),
        ("a/my_student_1b", (), (), ["name"]),
        ("a/Plain-GGUF", (), ("b/Plain-distill",), ["base"]),
        ("a/X-Distill-GGUF", (), ("b/X-Distill",), ["name"]),
        ("a/Plain", ("knowledge-distillation",), (), ["tag"]),
        ("a/Plain", ("trl", "gkd"), (), ["tag"]),
        ("a/Plain", ("dataset:b/r1-distill-sft",), (), ["dataset"]),
        ("a/Plain", ("trl", "sft"), (), ["trainer"]),
        ("a/Plain", ("trl", "sft", "distillation"), (), ["tag", "trainer"]),
        # Neither the owner, a part of a word, TRL alone nor the licence says anything.
        ("distillers/Plain", ("trl", "license:distilled"), ("distillers/Base",), []),
        ("a/undistinguished-students-guide", ("sft",), (), []),
    ],
)
def test_signs(repo: str, tags: tuple[str, ...], bases: tuple[str, ...], kinds: list[str]) -> None:
    assert [sign.kind for sign in find_signs(repo, tags, bases)] == kinds


def test_a_weak_sign_comes_last_and_says_maybe() -> None:
    strong, weak = find_signs("a/X-distill", ("trl", "sft", "dpo"))
    assert (strong.is_weak, weak.is_weak) == (False, True)
    assert weak.sentence == "fine-tuned with TRL (dpo, sft), maybe on a teacher's texts"


def test_signs_are_safe_to_print() -> None:
    signs = find_signs("a/x", ("distilled\x1b[2J", "dataset:b/distill\x9b\n"), ("c/distill\u202e",))
    assert len(signs) == 3
    assert not any(char in sign.sentence for sign in signs for char in "\x1b\x9b\u202e")
