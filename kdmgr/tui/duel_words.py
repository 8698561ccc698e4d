"""A duel's answers and figures as they are drawn. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from kdmgr.services.duel_words import describe_agreement, describe_difference, describe_figures
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.words import describe_rate, many_lines, one_line

if TYPE_CHECKING:
    from kdmgr.services.agreement import Agreement
    from kdmgr.services.duel import DuelOptions, Outcome
    from kdmgr.services.duel_answer import DuelAnswer

MARK = "▶"
"""Stands where the answers part."""


def draw_answer(answer: DuelAnswer, mark_at: int | None) -> Content:
    """Thoughts, then the answer: what both have in common in plain, a mark, and the rest stronger."""
    parts: list[Content | str | tuple[str, str]] = []
    if answer.thinking:
        parts += [(many_lines(answer.thinking.strip()), MUTED), "\n\n" if answer.text else ""]
    if mark_at is None:
        parts.append(many_lines(answer.text))
    else:
        parts.append((many_lines(answer.text[:mark_at]), MUTED))
        parts += [(MARK, "bold $warning"), many_lines(answer.text[mark_at:])]
    if answer.error is not None:
        hint = f"\n  {many_lines(answer.error.hint)}" if answer.error.hint else ""
        parts += ["\n\n" if answer.output else "", (f"✘ {many_lines(answer.error.message)}", "$error"), hint]
    return Content.assemble(*parts)


def describe_state(answer: DuelAnswer | None, *, asked: bool, stopped: bool) -> str:
    """One side's read-out: what it waits for, its live speed, or its figures."""
    if answer is None or not (asked or answer.output or answer.error):
        return "stopped" if stopped else "waits for its turn" if answer is not None else ""
    if answer.error is not None:
        return "failed"
    if answer.stats is not None:
        return describe_figures(answer.stats)
    if answer.loading:
        return "loading the model …"
    if not answer.meter.n_tokens:
        return "stopped" if stopped else "waiting for the first token …"
    rate = describe_rate(None if stopped else answer.meter.tok_s, answer.meter.n_tokens, counted=answer.meter.counted)
    return f"stopped · {answer.meter.n_tokens} tokens" if stopped else rate


def draw_outcome(outcome: Outcome | None, forced: Agreement | str | None) -> Content:
    """Where they part, and how they agree."""
    if outcome is None:
        return Content("")
    same = outcome.difference.identical
    head = ("= the same" if same else "≠ they part", "bold $success" if same else "bold $warning")
    lines = [
        Content.assemble(head, "  ", one_line(describe_difference(outcome.difference))),
        Content.assemble(("agreement  ", MUTED), one_line(describe_agreement(outcome.agreement))),
    ]
    if forced is not None:
        lines.append(Content.assemble(("A read by B  ", MUTED), one_line(describe_agreement(forced))))
    return Content("\n").join(lines)


def describe_options(options: DuelOptions) -> str:
    """What both are asked with."""
    return f"seed {options.seed} · temperature {options.temperature:g} · up to {options.n_predict} tokens"
