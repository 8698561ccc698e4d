"""The chats that are open in this app. They live as long as it does, wherever the user is."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from kdmgr.refs import parse_ref
from kdmgr.services.chatting import ChatSettings
from kdmgr.services.live_chat import LiveChat
from kdmgr.services.live_entries import Notice, Running
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.history.chat_records import ChatRecord
    from kdmgr.tui.app import KdmgrApp
    from kdmgr.tui.messages import ChatAsked
    from kdmgr.tui.screens.chat import ChatScreen

MODE = "chats"
EMBEDDED = "llamacpp"
LAST = "last_chat"
"""What is kept of the chat that was shown last: its `id`."""
_TURNS_TAKEN = "the embedded engine holds one model at a time: {} is loaded again when you go on with it"


class OpenChats:
    """Opens, shows and closes chats; keeps the badge beside the tab."""

    def __init__(self, app: KdmgrApp) -> None:
        self._app = app
        self._screens: dict[LiveChat, ChatScreen] = {}
        self._n_opened = 0

    def __iter__(self) -> Iterator[LiveChat]:
        """The last opened first."""
        return reversed(self._screens)

    @property
    def streaming(self) -> list[LiveChat]:
        """Those whose answer is under way."""
        return [chat for chat in self if chat.streaming]

    def find(self, number: int) -> LiveChat | None:
        """The open chat that commands know by this number."""
        return next((chat for chat in self if number and chat.number == number), None)

    def busy_beside(self, chat: LiveChat) -> int:
        """How many others wait for, or have, the one answer of the embedded engine."""
        if chat.session is None or chat.session.engine_name != EMBEDDED:
            return 0
        others = (other for other in self.streaming if other is not chat and other.session is not None)
        return sum(other.session.engine_name == EMBEDDED for other in others if other.session)

    async def begin(self, asked: ChatAsked) -> None:
        """A new chat with a model; one with it that nothing was said in yet is shown instead."""
        for chat, screen in self._screens.items():
            if screen.asked == asked and not chat.turns and not chat.streaming:
                await self.show(chat)
                return
        ref = asked.row.ref
        assert ref is not None
        open_session = partial(
            self._app.services.open_chat, ref, n_ctx=asked.n_ctx, cache_type=asked.cache_type, keep=True
        )
        await self._add(LiveChat(open_session, self._run, name=asked.row.name), asked)

    async def resume(self, record: ChatRecord) -> None:
        """Go on with a saved chat."""
        chat = self.find(record.id)
        if chat is not None:
            await self.show(chat)
            return
        open_session = partial(
            self._app.services.open_chat,
            parse_ref(record.ref),
            n_ctx=record.n_ctx,
            cache_type=record.cache_type,
            settings=ChatSettings(record.system, record.think, record.parameters),
            keep=True,
            resume=record,
        )
        await self._add(LiveChat(open_session, self._run, name=record.model, title=record.title), None)

    async def begin_beside(self, chat: LiveChat) -> None:
        """A new chat with the model of an open one."""
        asked = self._screens[chat].asked
        record = chat.session.keeper.record if chat.session and chat.session.keeper else None
        if asked is not None:
            await self.begin(asked)
        elif record is not None:
            await self.begin_like(record)

    async def begin_like(self, record: ChatRecord) -> None:
        """A new chat with the model and the settings of a saved one."""
        open_session = partial(
            self._app.services.open_chat,
            parse_ref(record.ref),
            n_ctx=record.n_ctx,
            cache_type=record.cache_type,
            settings=ChatSettings(record.system, record.think, record.parameters),
            keep=True,
        )
        await self._add(LiveChat(open_session, self._run, name=record.model), None)

    async def show(self, chat: LiveChat) -> None:
        """Bring a chat to the front."""
        await self._app.switch_mode(MODE)
        screen = self._screens[chat]
        self._remember(chat)
        if self._app.screen is screen:
            return
        while len(self._app.screen_stack) > 1:
            await self._app.pop_screen()
        await self._app.push_screen(screen)

    async def close(self, chat: LiveChat) -> None:
        """Stop it and free its model; what was said stays saved."""
        screen = self._screens.pop(chat)
        if screen in self._app.screen_stack:
            await self._app.pop_screen()
        self._app.uninstall_screen(screen)
        if screen.is_attached:
            await screen.remove()
        await chat.close()
        self.changed()

    async def close_all(self) -> None:
        """The app ends."""
        for chat in list(self._screens):
            await chat.close()

    def changed(self) -> None:
        """Something goes on in a chat, or does not any more."""
        for chat, screen in self._screens.items():
            if screen.is_current:
                self._remember(chat)
        n_streaming = len(self.streaming)
        self._app.show_badge(MODE, f"•{n_streaming}" if n_streaming else "")

    def _remember(self, chat: LiveChat) -> None:
        """The list finds it again when kdmgr is started the next time; one without a word has no number yet."""
        if chat.number:
            self._app.remember(LAST, {"id": chat.number})

    async def _add(self, chat: LiveChat, asked: ChatAsked | None) -> None:
        from kdmgr.tui.screens.chat import ChatScreen

        self._n_opened += 1
        screen = self._screens[chat] = ChatScreen(chat, self, asked)
        # Installed, so that it stays as it is while another screen is shown.
        self._app.install_screen(screen, f"chat-{self._n_opened}")
        chat.opened = self._tell_of_turns
        await self.show(chat)
        chat.open()

    def _tell_of_turns(self, chat: LiveChat) -> None:
        """Say what becomes of the other models in memory."""
        others = {one_line(other.name) for other in self if other.name != chat.name and _is_embedded(other)}
        if others and _is_embedded(chat):
            chat.notice(Notice(_TURNS_TAKEN.format(", ".join(sorted(others))), "note", topic="turns"))

    def _run(self, work: Coroutine[Any, Any, None]) -> Running:
        return self._app.run_worker(work, group="chats")


def _is_embedded(chat: LiveChat) -> bool:
    return chat.session is not None and chat.session.engine_name == EMBEDDED
