"""What a duel shows: two sides, their figures, what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import getters, on
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen

from kdmgr.services.agreement import Agreement
from kdmgr.services.duel import DuelOptions, Side
from kdmgr.services.duel_words import describe_agreement
from kdmgr.tui.duel_words import (
    MARK,
    Phase,
    describe_options,
    describe_state,
    draw_answer,
    find_marks,
    outcome_facts,
)
from kdmgr.tui.widgets.chat_input import ChatInput
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.widgets.duel_pane import DuelPane
from kdmgr.tui.widgets.duel_title import DuelTitle
from kdmgr.tui.widgets.facts import Fact, Facts
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from kdmgr.errors import KdmgrError
    from kdmgr.services.duel import Duel
    from kdmgr.tui.messages_duel import DuelAsked

_LABEL_WIDTH = 13


class DuelView(Screen[None]):
    """Part of the duel's screen."""

    title_line = getters.query_one(DuelTitle)
    left = getters.query_one("#pane-left", DuelPane)
    right = getters.query_one("#pane-right", DuelPane)
    result = getters.query_one(Facts)
    box = getters.query_one(ChatInput)

    def __init__(self, asked: DuelAsked) -> None:
        super().__init__()
        self.phase = Phase.OPENING
        self.asked = asked
        self.options = DuelOptions(n_ctx=asked.n_ctx, cache_type=asked.cache_type)
        self.duel: Duel | None = None
        self.asked_sides: set[Side] = set()
        """Of the last question."""
        self.stopped = False
        self.forced: Agreement | str | None = None
        """What came of B reading A's answer; None before it did."""

    def compose(self) -> ComposeResult:
        """Tabs, title, the two sides, what came of them, box, footer."""
        yield TopLine(self.app.current_mode)
        yield DuelTitle()
        with Container(id="sides"):
            yield DuelPane(Side.LEFT, self.asked.left.name)
            yield DuelPane(Side.RIGHT, self.asked.right.name)
        yield Facts(label_width=_LABEL_WIDTH)
        yield ChatInput()
        yield KeyLine()

    @property
    def panes(self) -> tuple[DuelPane, DuelPane]:
        """Both sides."""
        return self.left, self.right

    def action_scroll(self, pages: int) -> None:
        """Scroll both; the cursor stays in the box."""
        height = max(self.left.scroll.size.height - 1, 1)
        longer = max(self.panes, key=lambda pane: pane.scroll.max_scroll_y)
        longer.scroll_to_line(longer.scroll.scroll_y + pages * height)

    @on(DuelPane.Scrolled)
    def _follow(self, message: DuelPane.Scrolled) -> None:
        """Both show the same lines, as far as the shorter one goes."""
        other = self.right if message.pane is self.left else self.left
        wanted = min(message.y, other.scroll.max_scroll_y)
        at_end = (
            message.pane.scroll.max_scroll_y < other.scroll.scroll_y and message.y == message.pane.scroll.max_scroll_y
        )
        if not at_end and other.scroll.scroll_y != wanted:
            other.scroll_to_line(wanted)

    def reveal_mark(self) -> None:
        """Scroll to where the answers part, unless that can be seen."""
        answers = self.duel.answers if self.duel else {}
        if (at := find_marks(answers).get(Side.LEFT)) is not None:
            self.left.reveal(draw_answer(answers[Side.LEFT], at), MARK)

    def show_answers(self) -> None:
        """Answers, figures and outcome as they are now; runs only while something changes."""
        duel = self.duel
        if duel is None:
            return
        marks = find_marks(duel.answers, streaming=self.phase is Phase.ANSWERING)
        for pane in self.panes:
            answer = duel.answers.get(pane.side)
            if answer is not None:
                pane.said.update(draw_answer(answer, marks.get(pane.side)))
                pane.figures.show(self._state(pane.side))
        if self.phase is Phase.READING:
            reading = describe_agreement(self.forced) if self.forced else Phase.READING.value
            self.result.show([Fact("A read by B", reading, MUTED)])
        elif self.phase is Phase.READY:
            self.result.show(outcome_facts(duel.outcome(), self.forced))

    def _state(self, side: Side) -> str:
        assert self.duel is not None
        answer = self.duel.answers.get(side)
        return describe_state(answer, asked=side in self.asked_sides, stopped=self.stopped)

    def set_phase(self, phase: Phase) -> None:
        """Another phase begins."""
        self.phase = phase
        self.show_title()
        waiting = phase is Phase.READY and self.duel is not None and not self.duel.answers
        if waiting or phase in (Phase.OPENING, Phase.ANSWERING):
            self.result.show([Fact("duel", phase.value, MUTED)])

    def show_title(self) -> None:
        """What both are asked with, and in which order."""
        reason = self.duel.schedule.reason if self.duel else self.phase.value
        together = self.duel.schedule.together if self.duel else None
        self.title_line.show(describe_options(self.options), together, reason)

    def show_failure(self, error: KdmgrError) -> None:
        """Why the two are not open."""
        hint = [Fact("hint", error.hint)] if error.hint else []
        self.result.show([Fact("✘ failed", error.message, "$error", "$error"), *hint])
        self.set_phase(Phase.FAILED)
