"""A duel: the same question to two models, their answers side by side."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual import getters, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.worker import Worker

from kdmgr.errors import KdmgrError
from kdmgr.services.agreement import Agreement
from kdmgr.services.duel import DuelOptions, Side, SideStarted
from kdmgr.services.duel_words import describe_agreement
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.duel_words import (
    MARK,
    Phase,
    describe_options,
    describe_state,
    draw_answer,
    find_marks,
    outcome_facts,
    write_markdown,
)
from kdmgr.tui.screens.duel_settings import DuelSettingsScreen
from kdmgr.tui.widgets.chat_input import ChatInput
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.widgets.duel_pane import DuelPane
from kdmgr.tui.widgets.duel_title import DuelTitle
from kdmgr.tui.widgets.facts import Fact, Facts
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.top_line import TopLine
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.services.duel import Duel
    from kdmgr.tui.messages_duel import DuelAsked
    from kdmgr.tui.ports import AppServices

FLUSH_S = 0.1
"""Seconds between two redraws while answers stream."""
GRACE_S = 0.5
"""Seconds after an answer in which Escape was meant to stop it."""
_LABEL_WIDTH = 13
CLOSE_S = 3.0
"""Seconds the engines get to end before they are left to themselves."""


class DuelScreen(Screen[None]):
    """Two answers side by side (one above the other where it is narrow), what came of them, the box to type into."""

    CSS_PATH = "duel.tcss"
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "duel",
        [
            Binding("escape", "stop_or_leave", "stop/back", tooltip="Stop both answers; when there are none, go back"),
            Binding("ctrl+r", "again", "again", tooltip="Ask both the last question again", priority=True),
            Binding("ctrl+l", "settings", "seed …", tooltip="Seed, temperature, length and order", priority=True),
            Binding(
                "ctrl+g", "read", "B reads A", tooltip="Have B read A's answer: would it have said it?", priority=True
            ),
            Binding(
                "ctrl+y", "copy", "copy", show=False, tooltip="Copy both answers and what came of them", priority=True
            ),
            Binding("f1", "app.help", "help", tooltip="All keys"),
            Binding("pageup", "scroll(-1)", "scroll both up", show=False, priority=True, id="duel.scroll_up"),
            Binding("pagedown", "scroll(1)", "scroll both down", show=False, priority=True, id="duel.scroll_down"),
        ],
    )

    title_line = getters.query_one(DuelTitle)
    left = getters.query_one("#pane-left", DuelPane)
    right = getters.query_one("#pane-right", DuelPane)
    result = getters.query_one(Facts)
    box = getters.query_one(ChatInput)

    def __init__(self, services: AppServices, asked: DuelAsked) -> None:
        super().__init__()
        self.phase = Phase.OPENING
        self.options = DuelOptions(n_ctx=asked.n_ctx, cache_type=asked.cache_type)
        self._services, self._asked = services, asked
        self._duel: Duel | None = None
        self._prompt = ""
        self._asked_sides: set[Side] = set()
        self._stopped = False
        self._forced: Agreement | str | None = None
        self._worker: Worker[None] | None = None
        self._clock: Timer | None = None
        self.ended = 0.0
        """When the last answers did, on the monotonic clock."""

    def compose(self) -> ComposeResult:
        """Tabs, title, the two sides, what came of them, box, footer."""
        yield TopLine(self.app.current_mode)
        yield DuelTitle()
        with Container(id="sides"):
            yield DuelPane(Side.LEFT, self._asked.left.name)
            yield DuelPane(Side.RIGHT, self._asked.right.name)
        yield Facts(label_width=_LABEL_WIDTH)
        yield ChatInput()
        yield KeyLine()

    def on_mount(self) -> None:
        """Paint first, then open both."""
        self.box.placeholder = "ask both the same"
        self.box.focus()
        self._set_phase(Phase.OPENING)
        self.call_after_refresh(self._start, None)

    async def on_unmount(self) -> None:
        """Stop what was started for this duel."""
        if self._duel is not None:
            try:
                await asyncio.wait_for(self._duel.close(), CLOSE_S)
            except (KdmgrError, TimeoutError):
                # The window is gone: there is nobody left to tell.
                self.log.warning("an engine did not end in time")

    @property
    def streaming(self) -> bool:
        """Whether something would be lost by leaving."""
        return self.phase in (Phase.ANSWERING, Phase.READING)

    @property
    def panes(self) -> tuple[DuelPane, DuelPane]:
        """Both sides."""
        return self.left, self.right

    # What the user does

    @on(ChatInput.Sent)
    def _send(self, event: ChatInput.Sent) -> None:
        if not self.streaming:
            self._prompt = event.text
            self.box.clear()
            if self.phase is not Phase.OPENING:
                self._start(event.text)

    def action_stop_or_leave(self) -> None:
        """Stop what runs; when nothing does, go back."""
        if self.streaming and self._worker is not None:
            self._stopped = True
            self._worker.cancel()
        elif monotonic() - self.ended > GRACE_S:
            self.dismiss()

    def action_again(self) -> None:
        """Ask the last question again."""
        if not self._prompt:
            self.notify("nothing was asked yet", markup=False)
        elif not self.streaming and self.phase is not Phase.OPENING:
            self._start(self._prompt)

    def action_settings(self) -> None:
        """Change seed and temperature, and ask the last question again with them."""
        if not self.streaming:
            self.app.push_screen(DuelSettingsScreen(self.options), self._take_options)

    def _take_options(self, options: DuelOptions | None) -> None:
        if options is None:
            return
        reopen = options.order is not self.options.order
        self.options = options
        self._show_title()
        if reopen or self._prompt:
            self._start(self._prompt or None, reopen=reopen)

    def action_read(self) -> None:
        """Have the right model read the left one's answer."""
        if self._duel is None or not self._duel.answers or self.streaming:
            self.notify("ask both something first", markup=False)
        else:
            self._worker = self._read(self._duel)

    def action_copy(self) -> None:
        """Copy question, answers and what came of them."""
        if self._duel is None or not self._duel.answers:
            self.notify("there is nothing to copy yet", markup=False)
            return
        names = {Side.LEFT: self._asked.left.name, Side.RIGHT: self._asked.right.name}
        facts = outcome_facts(self._duel.outcome(), self._forced)
        self.app.copy_to_clipboard(write_markdown(self._prompt, names, self._duel.answers, facts))
        self.notify("copied both answers", markup=False)

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

    # One question after the other

    def _start(self, prompt: str | None, *, reopen: bool = False) -> None:
        self._worker = self._converse(prompt, reopen)

    @work(exclusive=True, group="duel")
    async def _converse(self, prompt: str | None, reopen: bool) -> None:
        """Open both if they are not, then ask."""
        if reopen and self._duel is not None:
            duel, self._duel = self._duel, None
            await duel.close()
        if self._duel is None and not await self._open():
            return
        prompt = prompt or self._prompt
        if prompt and self._duel is not None:
            await self._ask(self._duel, prompt)

    async def _open(self) -> bool:
        self._set_phase(Phase.OPENING)
        left, right = self._asked.left.ref, self._asked.right.ref
        assert left is not None and right is not None
        try:
            self._duel = await self._services.open_duel(left, right, self.options)
        except KdmgrError as error:
            self._show_failure(error)
            return False
        for pane in self.panes:
            pane.show_engine(self._duel.fighter(pane.side).engine_name)
        for warning in (*self._duel.left.warnings, *self._duel.right.warnings):
            self.notify(one_line(warning), severity="warning", markup=False)
        self._set_phase(Phase.READY)
        return True

    def _show_failure(self, error: KdmgrError) -> None:
        hint = [Fact("hint", error.hint)] if error.hint else []
        self.result.show([Fact("✘ failed", error.message, "$error", "$error"), *hint])
        self.box.text, self._prompt = self.box.text or self._prompt, ""
        self._set_phase(Phase.FAILED)

    async def _ask(self, duel: Duel, prompt: str) -> None:
        self._asked_sides, self._stopped, self._forced = set(), False, None
        self.left.scroll_to_line(0)
        self.box.placeholder = Content(f"asked: {one_line(prompt)}")
        self._begin(Phase.ANSWERING)
        try:
            async with aclosing(duel.ask(prompt, self.options)) as events:
                async for event in events:
                    if isinstance(event.event, SideStarted):
                        self._asked_sides.add(event.side)
        finally:
            self._end()

    @work(exclusive=True, group="duel")
    async def _read(self, duel: Duel) -> None:
        self._begin(Phase.READING)
        try:
            async with aclosing(duel.force(self._prompt)) as steps:
                async for step in steps:
                    self._forced = step
        except KdmgrError as error:
            self._forced = error.message
        finally:
            self._end()

    def _begin(self, phase: Phase) -> None:
        self._set_phase(phase)
        self._clock = self._clock or self.set_interval(FLUSH_S, self._show)

    def _end(self) -> None:
        if self._clock is not None:
            self._clock.stop()
            self._clock = None
        self.ended = monotonic()
        if self.is_running and self.is_attached:
            self._set_phase(Phase.READY)
            self._show()
            self.call_after_refresh(self._reveal_mark)

    def _reveal_mark(self) -> None:
        """Scroll to where the answers part, unless that can be seen."""
        answers = self._duel.answers if self._duel else {}
        if (at := find_marks(answers).get(Side.LEFT)) is not None:
            self.left.reveal(draw_answer(answers[Side.LEFT], at), MARK)

    # What is shown

    def _show(self) -> None:
        """Answers, figures and outcome as they are now; runs only while something changes."""
        duel = self._duel
        if duel is None:
            return
        marks = find_marks(duel.answers, streaming=self.phase is Phase.ANSWERING)
        for pane in self.panes:
            answer = duel.answers.get(pane.side)
            if answer is not None:
                pane.said.update(draw_answer(answer, marks.get(pane.side)))
                pane.figures.show(self._state(pane.side))
        if self.phase is Phase.READING:
            reading = describe_agreement(self._forced) if self._forced else Phase.READING.value
            self.result.show([Fact("A read by B", reading, MUTED)])
        elif self.phase is Phase.READY:
            self.result.show(outcome_facts(duel.outcome(), self._forced))

    def _state(self, side: Side) -> str:
        assert self._duel is not None
        answer = self._duel.answers.get(side)
        return describe_state(answer, asked=side in self._asked_sides, stopped=self._stopped)

    def _set_phase(self, phase: Phase) -> None:
        self.phase = phase
        self._show_title()
        waiting = phase is Phase.READY and self._duel is not None and not self._duel.answers
        if waiting or phase in (Phase.OPENING, Phase.ANSWERING):
            self.result.show([Fact("duel", phase.value, MUTED)])

    def _show_title(self) -> None:
        reason = self._duel.schedule.reason if self._duel else self.phase.value
        together = self._duel.schedule.together if self._duel else None
        self.title_line.show(describe_options(self.options), together, reason)
