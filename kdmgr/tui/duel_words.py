"""A duel's answers and figures as they are drawn. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING

from textual.content import Content

from kdmgr.services.answer_words import describe_break, describe_loading, describe_meter, describe_stats
from kdmgr.services.difference import find_difference
from kdmgr.services.duel import Side
from kdmgr.services.duel_words import describe_agreement, describe_difference
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.widgets.facts import Fact
from kdmgr.tui.words import many_lines, one_line

if TYPE_CHECKING:
    from kdmgr.services.agreement import Agreement
    from kdmgr.services.duel import DuelOptions, Outcome
    from kdmgr.services.duel_answer import DuelAnswer

MARK = "▶"
"""Stands where the answers part."""


WAITING = "waiting for the first token …"


class Phase(Enum):
    """What a duel is doing."""

    OPENING = "opening both models …"
    READY = "type a question for both"
    ANSWERING = "answering … Esc stops"
    READING = "B reads A's answer …"
    FAILED = "not open: Enter tries again"


def draw_answer(answer: DuelAnswer, mark_at: int | None) -> Content:
    """Thoughts, then the answer: what both have in common in plain, a mark, and the rest stronger."""
    parts: list[Content | str | tuple[str, str]] = []
    if answer.thinking:
        parts += [(many_lines(answer.thinking.strip()), MUTED), "\n\n" if answer.text else ""]
    if mark_at is None:
        parts.append(many_lines(answer.text.lstrip("\n")))
    else:
        parts.append((many_lines(answer.text[:mark_at].lstrip("\n")), MUTED))
        parts += [(MARK, "bold $warning"), many_lines(answer.text[mark_at:])]
    if answer.error is not None:
        hint = f"\n  {many_lines(answer.error.hint)}" if answer.error.hint else ""
        parts += ["\n\n" if answer.output else "", (f"✘ {many_lines(answer.error.message)}", "$error"), hint]
    return Content.assemble(*parts)


def find_marks(answers: Mapping[Side, DuelAnswer], *, streaming: bool = False) -> dict[Side, int]:
    """Where the answers part; while one still streams, its end is no difference."""
    left, right = (answers.get(side) for side in Side)
    if left is None or right is None or not (left.text.strip() and right.text.strip()):
        return {}
    found = find_difference(left.text, right.text)
    ends = found.left_at == len(left.text.rstrip()) or found.right_at == len(right.text.rstrip())
    if found.identical or (streaming and ends):
        return {}
    return {Side.LEFT: found.left_at, Side.RIGHT: found.right_at}


def write_markdown(
    prompt: str, names: Mapping[Side, str], answers: Mapping[Side, DuelAnswer], facts: Iterable[Fact]
) -> str:
    """Question, answers and what came of them, safe to paste."""
    parts = [f"## {one_line(names[side])}\n\n{many_lines(answers[side].text.strip())}" for side in Side]
    outcome = "\n".join(f"{fact.label}  {fact.text}".strip() for fact in facts)
    return "\n\n".join([many_lines(prompt), *parts, outcome])


def describe_state(answer: DuelAnswer | None, *, asked: bool, stopped: bool) -> str:
    """One side's read-out: what it waits for, its live speed, or its figures."""
    if answer is None or not (asked or answer.output or answer.error):
        return "stopped" if stopped else "waits for its turn" if answer is not None else ""
    if answer.stats is not None:
        return describe_stats(answer.stats)
    if stopped or answer.error is not None:
        return describe_break(answer.meter.n_tokens, counted=answer.meter.counted, failed=answer.error is not None)
    if answer.loading is not None:
        return describe_loading(answer.loading.fraction)
    return describe_meter(answer.meter) if answer.meter.n_tokens else WAITING


def outcome_facts(outcome: Outcome | None, forced: Agreement | str | None) -> list[Fact]:
    """Where they part, and how they agree."""
    if outcome is None:
        return [Fact("", "there are no two answers to compare", MUTED)]
    same = outcome.difference.identical
    label, style = ("= the same", "bold $success") if same else ("≠ they part", "bold $warning")
    difference = describe_difference(outcome.difference)
    facts = [Fact(label, difference.removeprefix("none: "), "", style)]
    facts.append(Fact("agreement", describe_agreement(outcome.agreement)))
    return facts if forced is None else [*facts, Fact("A read by B", describe_agreement(forced))]


def describe_options(options: DuelOptions) -> str:
    """What both are asked with."""
    return f"seed {options.seed} · temperature {options.temperature:g} · up to {options.n_predict} tokens"
