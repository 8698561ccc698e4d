"""What `kdmgr duel` prints: both answers, their figures, where they part."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from kdmgr.cli.console import pad
from kdmgr.services.agreement import Agreement
from kdmgr.services.answer_words import describe_loading, describe_meter, describe_stats
from kdmgr.services.duel import Side
from kdmgr.services.duel_rounds import summarize
from kdmgr.services.duel_words import (
    SHARED,
    describe_agreement,
    describe_difference,
    describe_summary,
)
from kdmgr.services.graphemes import cut_before
from kdmgr.units import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdmgr.cli.console import Console
    from kdmgr.services.duel import Duel
    from kdmgr.services.duel_answer import DuelAnswer
    from kdmgr.services.duel_rounds import Round

LETTERS = {Side.LEFT: "A", Side.RIGHT: "B"}
MARK = "▶"
"""Stands in both answers where they part."""
_REFRESH_S = 0.1
_PROMPT_WIDTH = 30


class LiveLine:
    """One line on stderr while both answer: tokens so far and the speed of the last second, side by side."""

    def __init__(self, console: Console, duel: Duel) -> None:
        self._console = console
        self._duel = duel
        self._drawn = 0.0
        self._open = False
        self.label = ""

    def show(self) -> None:
        """Draw it, unless it was drawn just now."""
        states = (f"{LETTERS[side]} {_describe_state(answer)}" for side, answer in self._duel.answers.items())
        self._draw(self.label + "  |  ".join(states))

    def show_forced(self, agreement: Agreement | str) -> None:
        """How far the reading has come."""
        if isinstance(agreement, Agreement):
            self._draw(f"{self.label}B reads A's answer: {agreement.n_places} tokens")

    def end(self) -> None:
        """Wipe it away: what it told is printed in full."""
        if self._open:
            self._open = False
            self._console.stderr.write("\r\x1b[2K")
            self._console.stderr.flush()

    def _draw(self, text: str) -> None:
        now = monotonic()
        if not self._console.terminal or now - self._drawn < _REFRESH_S:
            return
        self._drawn, self._open = now, True
        self._console.stderr.write(f"\r\x1b[2K{printable(text)[: self._console.width - 1]}")
        self._console.stderr.flush()


def _describe_state(answer: DuelAnswer) -> str:
    if answer.error is not None:
        return "failed"
    if answer.stats is not None:
        return f"done, {answer.meter.n_tokens} tokens"
    if answer.loading is not None:
        return describe_loading(answer.loading.fraction)
    return describe_meter(answer.meter) if answer.meter.n_tokens else "waiting"


def print_opening(duel: Duel, console: Console) -> None:
    """Who answers, on what, and in what order."""
    for side, letter in LETTERS.items():
        fighter = duel.fighter(side)
        console.note(f"{letter}  {duel.name(side)} on {fighter.engine_name}: {fighter.reason}")
        for warning in fighter.warnings:
            console.note(f"   warning: {warning}")
    order = "at once" if duel.schedule.together else "one after the other"
    console.note(f"{order}: {duel.schedule.reason}")


def print_round(duel: Duel, one: Round, console: Console, *, asked: bool, quiet: bool) -> None:
    """Both answers, then what came of them."""
    if asked:
        console.print(f"\n{console.style('>', 'dim')} {console.style(printable(one.prompt), 'bold')}")
    for side, answer in ((Side.LEFT, one.left), (Side.RIGHT, one.right)):
        if not quiet:
            _print_answer(duel, side, answer, one, console)
    console.print()
    _print_figures(duel, one, console)


def _print_answer(duel: Duel, side: Side, answer: DuelAnswer, one: Round, console: Console) -> None:
    console.print()
    console.print(console.style(f"{LETTERS[side]}  {printable(duel.name(side))}", "bold", "cyan"))
    if answer.thinking:
        console.print(console.style(printable(answer.thinking.strip()), "dim") + "\n")
    console.print(_with_mark(answer.text, _mark_of(side, one), console).strip("\n"))


def _mark_of(side: Side, one: Round) -> int | None:
    if one.outcome is None or one.outcome.difference.identical:
        return None
    difference = one.outcome.difference
    return difference.left_at if side is Side.LEFT else difference.right_at


def _with_mark(text: str, at: int | None, console: Console) -> str:
    if at is None:
        return printable(text)
    return printable(text[:at]) + console.style(MARK, "bold", "yellow") + printable(text[at:])


def _print_figures(duel: Duel, one: Round, console: Console) -> None:
    rows: list[tuple[str, str]] = []
    for side, answer in ((Side.LEFT, one.left), (Side.RIGHT, one.right)):
        figures = f"failed: {answer.error.message}" if answer.error else describe_stats(answer.stats)
        rows.append((f"{LETTERS[side]}  {duel.name(side)}", figures))
    if one.outcome is not None:
        rows.append(("first difference", describe_difference(one.outcome.difference)))
        rows.append(("agreement", describe_agreement(one.outcome.agreement)))
    if one.forced is not None:
        rows.append(("A read by B", describe_agreement(one.forced)))
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        console.print(f"{console.style(pad(printable(name), width), 'dim')}  {printable(text)}")
    if duel.schedule.together and len(duel.answers) == 2:
        console.note(f"{SHARED} (--in-turn asks one after the other)")
    for answer in (one.left, one.right):
        if answer.error is not None and answer.error.hint:
            console.note(f"hint: {answer.error.hint}")


def print_table(rounds: Sequence[Round], console: Console) -> None:
    """One line for each question, and the totals."""
    console.print()
    header = ("#", "PROMPT", "SAME", "PARTS AT WORD", "IN COMMON", "SAME TOKEN", "KL ≥")
    rows = [(str(number), *_row(one)) for number, one in enumerate(rounds, 1)]
    console.table(header, rows, right=(0, 3, 4, 5, 6))
    console.print(describe_summary(summarize(rounds)))


def _row(one: Round) -> tuple[str, ...]:
    prompt = _shorten(" ".join(one.prompt.split()))
    if one.outcome is None:
        return prompt, "failed" if one.failed else "?", "", "", "", ""
    difference, agreement = one.outcome.difference, one.agreement
    same = kl = "?"
    if isinstance(agreement, Agreement):
        same = f"{agreement.n_same_top}/{agreement.n_places}"
        kl = "?" if agreement.kl is None else f"{agreement.kl:.3f}"
    word = "" if difference.word is None else str(difference.word)
    return prompt, "yes" if difference.identical else "no", word, f"{difference.share:.0%}", same, kl


def _shorten(text: str) -> str:
    return text if len(text) <= _PROMPT_WIDTH else f"{text[: cut_before(text, _PROMPT_WIDTH - 1)]}…"
