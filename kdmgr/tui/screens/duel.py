"""A duel: the same question to two models, their answers side by side."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.timer import Timer
from textual.worker import Worker

from kdmgr.errors import KdmgrError
from kdmgr.services.duel import DuelOptions, Side, SideStarted
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.duel_words import Phase, outcome_facts, write_markdown
from kdmgr.tui.screens.duel_settings import DuelSettingsScreen
from kdmgr.tui.screens.duel_view import DuelView
from kdmgr.tui.widgets.chat_input import ChatInput
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.services.duel import Duel
    from kdmgr.tui.messages_duel import DuelAsked
    from kdmgr.tui.ports import AppServices

FLUSH_S = 0.1
"""Seconds between two redraws while answers stream."""
GRACE_S = 0.5
"""Seconds after an answer in which Escape was meant to stop it."""
CLOSE_S = 3.0
"""Seconds the engines get to end before they are left to themselves."""


class DuelScreen(DuelView):
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

    def __init__(self, services: AppServices, asked: DuelAsked) -> None:
        super().__init__(asked)
        self._services = services
        self._prompt = ""
        self._worker: Worker[None] | None = None
        self._clock: Timer | None = None
        self.ended = 0.0
        """When the last answers did, on the monotonic clock."""

    def on_mount(self) -> None:
        """Paint first, then open both."""
        self.box.placeholder = "ask both the same"
        self.box.focus()
        self.set_phase(Phase.OPENING)
        self.call_after_refresh(self._start, None)

    async def on_unmount(self) -> None:
        """Stop what was started for this duel."""
        if self.duel is not None:
            try:
                await asyncio.wait_for(self.duel.close(), CLOSE_S)
            except (KdmgrError, TimeoutError):
                # The window is gone: there is nobody left to tell.
                self.log.warning("an engine did not end in time")

    @property
    def streaming(self) -> bool:
        """Whether something would be lost by leaving."""
        return self.phase in (Phase.ANSWERING, Phase.READING)

    # What the user does

    @on(ChatInput.Sent)
    def _send(self, event: ChatInput.Sent) -> None:
        if not self.streaming:
            self._prompt = event.text
            self.box.clear()
            if self.phase is not Phase.OPENING:
                self._start(event.text)

    @on(ChatInput.Empty)
    def _try_again(self) -> None:
        """Enter alone opens what could not be opened."""
        if self.phase is Phase.FAILED:
            self._start(None)

    def action_stop_or_leave(self) -> None:
        """Stop what runs; when nothing does, go back."""
        if self.streaming and self._worker is not None:
            self.stopped = True
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
        self.show_title()
        if reopen or self._prompt:
            self._start(self._prompt or None, reopen=reopen)

    def action_read(self) -> None:
        """Have the right model read the left one's answer."""
        if self.duel is None or not self.duel.answers or self.streaming:
            self.notify("ask both something first", markup=False)
        else:
            self._worker = self._read(self.duel)

    def action_copy(self) -> None:
        """Copy question, answers and what came of them."""
        if self.duel is None or not self.duel.answers:
            self.notify("there is nothing to copy yet", markup=False)
            return
        names = {Side.LEFT: self.asked.left.name, Side.RIGHT: self.asked.right.name}
        facts = outcome_facts(self.duel.outcome(), self.forced)
        self.app.copy_to_clipboard(write_markdown(self._prompt, names, self.duel.answers, facts))
        self.notify("copied both answers", markup=False)

    # One question after the other

    def _start(self, prompt: str | None, *, reopen: bool = False) -> None:
        self._worker = self._converse(prompt, reopen)

    @work(exclusive=True, group="duel")
    async def _converse(self, prompt: str | None, reopen: bool) -> None:
        """Open both if they are not, then ask."""
        if reopen and self.duel is not None:
            duel, self.duel = self.duel, None
            await duel.close()
        if self.duel is None and not await self._open():
            return
        prompt = prompt or self._prompt
        if prompt and self.duel is not None:
            await self._ask(self.duel, prompt)

    async def _open(self) -> bool:
        self.set_phase(Phase.OPENING)
        left, right = self.asked.left.ref, self.asked.right.ref
        assert left is not None and right is not None
        try:
            self.duel = await self._services.open_duel(left, right, self.options)
        except KdmgrError as error:
            self.box.text, self._prompt = self.box.text or self._prompt, ""
            self.show_failure(error)
            return False
        for pane in self.panes:
            pane.show_engine(self.duel.fighter(pane.side).engine_name)
        for warning in (*self.duel.left.warnings, *self.duel.right.warnings):
            self.notify(one_line(warning), severity="warning", markup=False)
        self.set_phase(Phase.READY)
        return True

    async def _ask(self, duel: Duel, prompt: str) -> None:
        self.asked_sides, self.stopped, self.forced = set(), False, None
        self.left.scroll_to_line(0)
        self.box.placeholder = Content(f"asked: {one_line(prompt)}")
        self._begin(Phase.ANSWERING)
        try:
            async with aclosing(duel.ask(prompt, self.options)) as events:
                async for event in events:
                    if isinstance(event.event, SideStarted):
                        self.asked_sides.add(event.side)
        finally:
            self._end()

    @work(exclusive=True, group="duel")
    async def _read(self, duel: Duel) -> None:
        self._begin(Phase.READING)
        try:
            async with aclosing(duel.force(self._prompt)) as steps:
                async for step in steps:
                    self.forced = step
        except KdmgrError as error:
            self.forced = error.message
        finally:
            self._end()

    def _begin(self, phase: Phase) -> None:
        self.set_phase(phase)
        self._clock = self._clock or self.set_interval(FLUSH_S, self.show_answers)

    def _end(self) -> None:
        if self._clock is not None:
            self._clock.stop()
            self._clock = None
        self.ended = monotonic()
        if self.is_running and self.is_attached:
            self.set_phase(Phase.READY)
            self.show_answers()
            self.call_after_refresh(self.reveal_mark)
