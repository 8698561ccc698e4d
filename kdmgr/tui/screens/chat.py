"""A conversation with one model: answers stream in, with their speed and the room that is left."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual import getters, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Collapsible, Footer, Markdown
from textual.worker import Worker

from kdmgr.engines.protocol import ChatDelta, ChatEvent, ChatStats, ModelLoading
from kdmgr.errors import KdmgrError
from kdmgr.services.rate import RateMeter
from kdmgr.tui.widgets.chat_input import ChatInput
from kdmgr.tui.widgets.chat_title import ChatTitle
from kdmgr.tui.widgets.read_out import NEARLY_FULL, ReadOut
from kdmgr.tui.widgets.turns import Answer, Note, Opening, Question
from kdmgr.tui.words import describe_loading, describe_rate, describe_stats, describe_stop, one_line

if TYPE_CHECKING:
    from kdmgr.tui.messages import ChatAsked
    from kdmgr.tui.ports import AppServices, Chat

FLUSH_S = 0.1
"""Seconds between two redraws of an answer that streams."""
GRACE_S = 0.5
"""Seconds after an answer in which Escape was meant to stop it, so does not throw the conversation away."""
CLOSE_S = 3.0
"""Seconds an engine gets to end before it is left to itself."""


class Phase(Enum):
    """What a chat is doing."""

    OPENING = "opening"
    READY = "ready"
    ANSWERING = "answering"
    STOPPING = "stopping"
    FAILED = "failed"
    """Not open: the next question tries again."""


class ChatScreen(Screen[None]):
    """The conversation, the read-out below it, and the box to type into."""

    CSS_PATH = "chat.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape",
            "stop_or_leave",
            "stop/back",
            tooltip="Stop the answer; when there is none, go back",
            id="chat.stop_or_leave",
        ),
        Binding("ctrl+n", "new_chat", "new", tooltip="Begin a new conversation", priority=True, id="chat.new_chat"),
        Binding("ctrl+y", "copy_answer", "copy", tooltip="Copy the last answer", priority=True, id="chat.copy_answer"),
        Binding(
            "ctrl+o",
            "toggle_thinking",
            "thinking",
            tooltip="Fold or unfold all thoughts",
            priority=True,
            id="chat.toggle_thinking",
        ),
        Binding("f1", "app.help", "help", tooltip="All keys", id="chat.help"),
        Binding("pageup", "scroll(-1)", "scroll up", show=False, priority=True, id="chat.scroll_up"),
        Binding("pagedown", "scroll(1)", "scroll down", show=False, priority=True, id="chat.scroll_down"),
    ]

    title_line = getters.query_one(ChatTitle)
    log_view = getters.query_one("#log", VerticalScroll)
    read_out = getters.query_one(ReadOut)
    box = getters.query_one(ChatInput)

    def __init__(self, services: AppServices, asked: ChatAsked) -> None:
        super().__init__()
        self.phase = Phase.OPENING
        self._services = services
        self._asked = asked
        self._chat: Chat | None = None
        self._answer: Answer | None = None
        self._meter = RateMeter()
        self._clock: Timer | None = None
        self._worker: Worker[None] | None = None
        self._used = 0
        self._next_flush = 0.0
        self._new_wanted = False
        self._waiting: str | None = None
        self._ended = 0.0

    def compose(self) -> ComposeResult:
        """Title, conversation, read-out, box, footer."""
        yield ChatTitle(self._asked.row.name)
        yield VerticalScroll(id="log", can_focus=False)
        yield ReadOut()
        yield ChatInput()
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Paint first, then open the chat."""
        self.box.focus()
        self.log_view.anchor()
        self._set_phase(Phase.OPENING)
        self.call_after_refresh(self._start, None)

    async def on_unmount(self) -> None:
        """Stop what was started for this chat."""
        if self._chat is not None:
            try:
                await asyncio.wait_for(self._chat.close(), CLOSE_S)
            except (KdmgrError, TimeoutError):
                # The window is gone: there is nobody left to tell, and nothing left to do.
                self.log.warning("the engine did not end in time")

    @property
    def streaming(self) -> bool:
        """Whether an answer is under way."""
        return self.phase in (Phase.ANSWERING, Phase.STOPPING)

    # What the user does

    @on(ChatInput.Sent)
    def _send(self, event: ChatInput.Sent) -> None:
        """A question that comes while the model is being opened is asked as soon as it is."""
        if self.streaming or self._waiting is not None:
            return
        self.box.clear()
        if self.phase is Phase.OPENING:
            self._waiting = event.text
        else:
            self._start(event.text)

    def action_stop_or_leave(self) -> None:
        """Stop the answer; when there is none, or it does not stop, go back."""
        if self.phase is Phase.ANSWERING:
            self._stop()
        elif monotonic() - self._ended > GRACE_S:
            self.dismiss()

    def action_new_chat(self) -> None:
        """Forget the conversation; an answer under way is stopped first."""
        if self.streaming:
            self._new_wanted = True
            self._stop()
        elif self._chat is not None:
            self._begin_anew()

    def action_copy_answer(self) -> None:
        """Copy the last answer."""
        answers = [answer for answer in self.query(Answer) if answer.text]
        if not answers:
            self.notify("there is no answer to copy yet", markup=False)
            return
        self.app.copy_to_clipboard(answers[-1].text)
        self.notify(f"copied {len(answers[-1].text)} characters", markup=False)

    def action_toggle_thinking(self) -> None:
        """Fold or unfold all thoughts."""
        folds = list(self.query(Collapsible))
        collapsed = not all(fold.collapsed for fold in folds)
        for fold in folds:
            fold.collapsed = collapsed

    def action_scroll(self, pages: int) -> None:
        """Scroll the conversation; the cursor stays in the box."""
        self.log_view.scroll_relative(y=pages * max(self.log_view.size.height - 1, 1), animate=False)

    @on(Markdown.LinkClicked)
    def _copy_link(self, event: Markdown.LinkClicked) -> None:
        """A model's link is copied and shown, never opened."""
        self.app.copy_to_clipboard(one_line(event.href))
        self.notify(one_line(event.href), title="link copied", markup=False)

    # One question after the other

    def _start(self, text: str | None) -> None:
        self._worker = self._converse(text)

    def _stop(self) -> None:
        self._set_phase(Phase.STOPPING)
        if self._worker is not None:
            self._worker.cancel()

    @work(exclusive=True, group="chat")
    async def _converse(self, text: str | None) -> None:
        """Open the chat if it is not, then ask `text`."""
        opened = self._chat is not None or await self._open()
        text, self._waiting = text or self._waiting, None
        if not opened:
            self.box.text = self.box.text or text or ""
        elif text is not None and self._chat is not None:
            await self._ask(self._chat, text)

    async def _open(self) -> bool:
        self._set_phase(Phase.OPENING)
        row = self._asked.row
        assert row.ref is not None
        try:
            chat = await self._services.open_chat(row.ref, n_ctx=self._asked.n_ctx, cache_type=self._asked.cache_type)
        except KdmgrError as error:
            await self._note(Note.for_error(error))
            self._set_phase(Phase.FAILED)
            return False
        self._chat = chat
        self.title_line.show_engine(chat.engine_name, chat.reason)
        await self.log_view.mount(Opening(row, chat))
        for warning in chat.warnings:
            await self._note(Note(warning, "warning"))
        self.read_out.show_context(0, chat.n_ctx)
        self._set_phase(Phase.READY)
        return True

    async def _ask(self, chat: Chat, text: str) -> None:
        """One question and its answer; ends in any way, the chat can go on."""
        answer = self._answer = Answer()
        await self.log_view.mount(Question(text), answer)
        self.log_view.anchor()
        self._begin_answer()
        figures = ""
        try:
            async with aclosing(chat.send(text)) as events:
                async for event in events:
                    figures = self._take(event, answer) or figures
        except KdmgrError as error:
            await self._note(Note.for_error(error))
            self.box.text = self.box.text or text
        finally:
            await self._end_answer(answer, figures)

    def _take(self, event: ChatEvent, answer: Answer) -> str | None:
        """One event of the stream; the last one gives the figures."""
        if isinstance(event, ModelLoading):
            self.read_out.show_status(describe_loading(event.fraction))
        elif isinstance(event, ChatDelta):
            answer.add(event.text, event.thinking)
            self._meter.add(event.n_tokens)
        elif isinstance(event, ChatStats):
            self._take_stats(event)
            return describe_stats(event)
        return None

    def _take_stats(self, stats: ChatStats) -> None:
        if stats.n_prompt is not None and stats.n_output is not None:
            self._used = stats.n_prompt + stats.n_output
        else:
            self._used += self._meter.n_tokens
        n_ctx = stats.n_ctx or (self._chat.n_ctx if self._chat else None)
        self.read_out.show_context(self._used, n_ctx)

    def _begin_answer(self) -> None:
        self._meter = RateMeter()
        self.read_out.clear_rates()
        self._set_phase(Phase.ANSWERING)
        self._clock = self.set_interval(FLUSH_S, self._tick)

    async def _tick(self) -> None:
        """Show what has come; runs only while an answer streams."""
        started = monotonic()
        if self._answer is None or started < self._next_flush:
            return
        await self._answer.flush()
        self.call_after_refresh(self._rest, started)
        if self.phase is Phase.ANSWERING and self._meter.n_tokens:
            rate = self._meter.tok_s
            self.read_out.add_rate(rate)
            self.read_out.show_status(describe_rate(rate, self._meter.n_tokens, counted=self._meter.counted), "")
            if self._chat is not None:
                self.read_out.show_context(self._used + self._meter.n_tokens, self.read_out.n_ctx)

    def _rest(self, started: float) -> None:
        """Drawing takes at most half of the time: a long answer is laid out less often."""
        now = monotonic()
        self._next_flush = now + (now - started)

    async def _end_answer(self, answer: Answer, figures: str) -> None:
        if self._clock is not None:
            self._clock.stop()
            self._clock = None
        self._answer, self._ended = None, monotonic()
        if not answer.is_attached or not self.is_running:
            # The user has left, and the answer with the screen.
            return
        if not figures and self._meter.n_tokens:
            self._used += self._meter.n_tokens
            figures = describe_stop(self._meter.n_tokens, counted=self._meter.counted)
        await answer.finish(figures)
        self._set_phase(Phase.READY)
        if (self.read_out.share or 0) >= NEARLY_FULL and not self.query("#full"):
            await self._note(Note("the context is nearly full", "warning", "ctrl+n begins anew", id="full"))
        if self._new_wanted:
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._new_wanted = False
        if self._chat is not None:
            self._chat.reset()
        self._used = 0
        self.log_view.query("Question, Answer, Note.-error, #full").remove()
        self.read_out.clear_rates()
        self.read_out.show_context(0, self.read_out.n_ctx)
        self._set_phase(Phase.READY)

    async def _note(self, note: Note) -> None:
        await self.log_view.mount(note)

    def _set_phase(self, phase: Phase) -> None:
        self.phase = phase
        texts = {
            Phase.OPENING: "opening the model …",
            Phase.READY: "ready",
            Phase.ANSWERING: "waiting for the first token …",
            Phase.STOPPING: "stopping …",
            Phase.FAILED: "not open: Enter tries again",
        }
        self.read_out.show_status(texts[phase])
