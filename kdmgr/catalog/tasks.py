"""What a student can be asked to do: derived from its entry, and always with the reason.

The catalog has no field for it, since no publisher states it alike. A task follows from the modality, from a
benchmark that a publisher measured the student on, or from the words of its name and recipe. A task that is not
found is not denied: nothing in the entry speaks for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kdmgr.catalog.students import Score, Student


@dataclass(frozen=True, slots=True)
class Task:
    """One task, and what in an entry speaks for it."""

    name: str
    summary: str
    benchmarks: re.Pattern[str] | None = None
    """Benchmarks that ask for it; their names, without case."""
    words: re.Pattern[str] | None = None
    """Words of the name or the recipe that say so."""
    modalities: re.Pattern[str] | None = None
    """Modalities that are it by themselves."""
    chats: bool = True
    """Whether only models that answer in text count, for what benchmarks and words say."""


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


TASKS = {
    task.name: task
    for task in (
        Task(
            "chat",
            "answers questions and follows instructions",
            benchmarks=_words(r"^(MMLU|IFEval|MT-Bench|AlpacaEval|HellaSwag|ARC-C)"),
        ),
        Task(
            "reasoning",
            "thinks before it answers: science, logic, long problems",
            benchmarks=_words(r"^(GPQA|AIME|HMMT)"),
            words=_words(r"\breason(?:s|ing)?\b|\bthink(?:ing)?\b|\btraces?\b|chain.of.thought"),
        ),
        Task(
            "maths",
            "solves problems in mathematics",
            benchmarks=_words(r"^(MATH|AIME|HMMT|GSM8K)"),
            words=_words(r"\bmaths?\b"),
        ),
        Task(
            "code",
            "writes programs",
            benchmarks=_words(r"^(HumanEval|MBPP|LiveCodeBench|Codeforces|SciCode)"),
            words=_words(r"\bcod(?:e|er|ing)\b|coder"),
            modalities=_words(r"\(code\)"),
        ),
        Task(
            "tools", "calls functions", benchmarks=_words(r"^BFCL"), words=_words(r"\b(?:tool|function).(?:use|call)")
        ),
        Task("vision", "looks at images", modalities=_words(r"\+image"), chats=False),
        Task("video", "looks at videos", modalities=_words(r"\+video"), chats=False),
        Task("audio", "listens", modalities=_words(r"\+audio"), chats=False),
        Task("transcription", "writes down what is said", modalities=_words(r"^audio->text$"), chats=False),
        Task("embedding", "turns texts into vectors", modalities=_words(r"^text-embedding$"), chats=False),
        Task("encoding", "reads texts for classifiers made from it", modalities=_words(r"^text-encoder$"), chats=False),
        Task("safety", "judges what others say", modalities=_words(r"safety classifier"), chats=False),
    )
}
"""The tasks by name, the most asked for first."""

_BASE = re.compile(r"\bbase model\b", re.IGNORECASE)
_COMPLETES = ("gpt2",)
"""Architectures from before there were instructions to follow."""
_CHATS = re.compile(r"^text(?:\+|$| \(code\))")


def chats(student: Student) -> bool:
    """Whether it answers in text: no embedding model, no encoder, no judge, no base model that only goes on."""
    if not _CHATS.match(student.modality or "text") or student.architecture in _COMPLETES:
        return False
    return not (student.name.casefold().endswith("base") or _BASE.search(student.notes or ""))


def why_task(student: Student, task: Task) -> str | None:
    """What in the entry speaks for the task; None when nothing does."""
    if task.modalities is not None and task.modalities.search(student.modality or ""):
        return f"its modality is {student.modality}"
    if not task.chats or not chats(student):
        return None
    measured = list(dict.fromkeys(score.benchmark for score in scores_for(student, task)))
    if measured:
        return f"measured on {', '.join(measured[:3])}{' …' if len(measured) > 3 else ''}"
    said = task.words.search(f"{student.name.replace('-', ' ')}. {student.lineage.note or ''}") if task.words else None
    if said:
        return f'its name or recipe says "{said[0]}"'
    return "it answers in text" if task.name == "chat" else None


def tasks_of(student: Student) -> tuple[str, ...]:
    """The names of all its tasks, in the order of `TASKS`."""
    return tuple(name for name, task in TASKS.items() if why_task(student, task))


def scores_for(student: Student, task: Task) -> list[Score]:
    """The student's scores on benchmarks that ask for the task."""
    return [score for score in student.scores if task.benchmarks and task.benchmarks.search(score.benchmark)]
