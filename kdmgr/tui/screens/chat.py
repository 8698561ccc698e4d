"""A conversation with one model: answers stream in, with their speed and the room that is left."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widgets import Markdown

from kdmgr.services.live_entries import LiveTurn, Phase
from kdmgr.services.token_guess import guess_tokens
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.chat_words import describe_status
from kdmgr.tui.screens.chat_actions import ChatActions
from kdmgr.tui.widgets.chat_input import ChatInput
from kdmgr.tui.widgets.chat_title import ChatTitle
from kdmgr.tui.widgets.conversation import Conversation
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.read_out import ReadOut
from kdmgr.tui.widgets.top_line import TopLine
from kdmgr.tui.widgets.turns import Question
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.services.live_chat import LiveChat
    from kdmgr.tui.messages import ChatAsked
    from kdmgr.tui.open_chats import OpenChats

FLUSH_S = 0.1
"""Seconds between two redraws of an answer that streams."""
GRACE_S = 0.5
"""Seconds after an answer in which Escape was meant to stop it, so does not leave the chat."""


class ChatScreen(ChatActions):
    """The conversation, the read-out below it, and the box to type into. The chat goes on without it."""

    CSS_PATH = "chat.tcss"
    BINDINGS: ClassVar[list[BindingType]] = identify("chat", [
        Binding("escape", "stop_or_leave", "stop/back", tooltip="Stop the answer; when there is none, go back"),
        Binding("ctrl+r", "retry", "retry", tooltip="Ask the last question again", priority=True),
        Binding("ctrl+n", "new_chat", "new", show=False, tooltip="Begin a new chat with this model", priority=True),
        Binding("ctrl+l", "settings", "settings", tooltip="Title, system prompt and parameters", priority=True),
        Binding("ctrl+y", "copy_answer", "copy", tooltip="Copy the last answer", priority=True),
        Binding("ctrl+g", "copy_code", "code", tooltip="Copy the last block of code; again for the one before",
                show=False, priority=True),
        Binding("ctrl+s", "export", "export", tooltip="Write the chat to a file", priority=True),
        Binding("ctrl+f", "attach", "image", tooltip="Send a picture along", show=False, priority=True),
        Binding("ctrl+o", "toggle_thinking", "thinking", tooltip="Fold or unfold all thoughts", show=False,
                priority=True),
        Binding("f1", "app.help", "help", tooltip="All keys"),
        Binding("pageup", "scroll(-1)", "scroll up", show=False, priority=True, id="chat.scroll_up"),
        Binding("pagedown", "scroll(1)", "scroll down", show=False, priority=True, id="chat.scroll_down"),
    ])  # fmt: skip

    title_line = getters.query_one(ChatTitle)
    read_out = getters.query_one(ReadOut)

    def __init__(self, chat: LiveChat, chats: OpenChats, asked: ChatAsked | None) -> None:
        super().__init__(chat)
        self.asked = asked
        """By which question of the user it was opened; None for a saved chat."""
        self.chats = chats
        self._clock: Timer | None = None
        self._sync_due = False
        self._phase: Phase | None = None
        self._warned_of = ""

    @property
    def phase(self) -> Phase:
        """What the chat is doing."""
        return self.chat.phase

    def compose(self) -> ComposeResult:
        """Tabs, title, conversation, read-out, box, footer."""
        yield TopLine("chats")
        yield ChatTitle(self.chat.name)
        yield Conversation(self.chat, self.asked.row if self.asked else None)
        yield ReadOut()
        yield ChatInput()
        yield KeyLine()

    def on_mount(self) -> None:
        """Follow the chat from now on."""
        self.box.focus()
        self.chat.watch = self._follow
        self._follow()

    def on_screen_resume(self) -> None:
        """Somebody looks again."""
        self._follow()

    def on_screen_suspend(self) -> None:
        """Nobody looks: the chat goes on, and nothing is drawn."""
        self._stop_clock()

    def on_resize(self) -> None:
        """What is named at the box is what there is room for."""
        self.call_after_refresh(self.show_pictures)

    # What goes on in the chat

    def _follow(self) -> None:
        """Something has changed; several changes are shown at once."""
        self.chats.changed()
        if not self._sync_due and self.is_mounted:
            self._sync_due = True
            self.call_later(self._sync)

    async def _sync(self) -> None:
        self._sync_due = False
        if not self.is_current and self.app.screen is not self:
            return
        if self.chat.session is not None:
            self.title_line.show_engine(self.chat.session.engine_name)
        self.title_line.show_title(self.chat.title)
        # Laying out a long chat takes its time: what it does is said before.
        self._take_phase()
        await self.conversation.sync()
        if self.chat.refused:
            self.give_back(self.chat.refused)
            self.chat.refused = None

    def _take_phase(self) -> None:
        if self.chat.streaming and self._clock is None:
            self.read_out.clear_rates()
            self._clock = self.set_interval(FLUSH_S, self._tick)
        elif not self.chat.streaming:
            self._stop_clock()
        self._show_state()

    def _show_state(self) -> None:
        text = describe_status(self.chat, self.chats.busy_beside(self.chat))
        live = self.phase is Phase.ANSWERING and bool(self.chat.meter.n_tokens)
        self.read_out.show_status(text, "" if live else MUTED)
        self.read_out.show_context(self.chat.n_used if self.chat.session else None, self.chat.n_ctx)

    async def _tick(self) -> None:
        """Show what has come; runs only while an answer streams and somebody looks."""
        await self.conversation.flush()
        if self.phase is Phase.ANSWERING and self.chat.meter.n_tokens:
            self.read_out.add_rate(self.chat.meter.tok_s)
            self._show_state()

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.stop()
            self._clock = None

    # What the user does

    @on(ChatInput.Sent)
    def _send(self, event: ChatInput.Sent) -> None:
        """A question that comes while the model is being opened is asked as soon as it is."""
        if self.chat.streaming or self._warn_of_length(event.text):
            return
        images, at = tuple(self.pictures), self.editing
        taken = self.chat.ask(event.text, images) if at is None else self.chat.ask_instead(at, event.text, images)
        if taken:
            self.leave_editing()

    @on(ChatInput.Empty)
    def _try_again(self) -> None:
        """Enter alone opens what could not be opened."""
        if self.phase is Phase.FAILED:
            self.chat.open()

    def _warn_of_length(self, text: str) -> bool:
        """Whether to wait for a second Enter: what does not fit is cut silently by some servers."""
        n_ctx, used = self.chat.n_ctx, self.chat.used
        wanted = (used or 0) + guess_tokens(text)
        if n_ctx is None or used is None or wanted < n_ctx or text == self._warned_of:
            return False
        self._warned_of = text
        over = f"⚠ ~{wanted} tokens into {n_ctx}: Enter asks anyway, the start is lost"
        self.read_out.show_status(over, "$warning")
        return True

    def action_stop_or_leave(self) -> None:
        """End editing; else stop the answer; when there is none, or it does not stop, go back."""
        if self.editing is not None:
            self.leave_editing()
        elif self.pictures:
            self.detach()
        elif self.phase is Phase.ANSWERING:
            self.chat.stop()
        elif monotonic() - self.chat.ended > GRACE_S:
            self.app.pop_screen()

    def action_retry(self) -> None:
        """Ask the last question again."""
        if not self.chat.streaming and not self.chat.retry():
            self.notify("there is no question to ask again yet", markup=False)

    def action_new_chat(self) -> None:
        """Begin anew with this model; an answer under way is stopped first."""
        self.chat.begin_anew()

    def action_toggle_thinking(self) -> None:
        """Fold or unfold all thoughts."""
        self.conversation.fold()

    async def action_scroll(self, pages: int) -> None:
        """Scroll the conversation; the cursor stays in the box."""
        await self.conversation.page(pages)

    @on(ChatInput.Recalled)
    def _recall(self, event: ChatInput.Recalled) -> None:
        turns = self.chat.turns
        self.edit((len(turns) if self.editing is None else self.editing) + event.step)

    @on(Question.Chosen)
    def _edit_chosen(self, event: Question.Chosen) -> None:
        turns: list[LiveTurn] = self.chat.turns
        if event.turn in turns:
            self.edit(turns.index(event.turn))

    @on(Markdown.LinkClicked)
    def _copy_link(self, event: Markdown.LinkClicked) -> None:
        """A model's link is copied and shown, never opened."""
        self.app.copy_to_clipboard(one_line(event.href))
        self.notify(one_line(event.href), title="link copied", markup=False)
