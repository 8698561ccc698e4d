"""The place of chats: what is open and goes on, and all that was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import getters, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input, Static

from kdmgr.errors import KdmgrError
from kdmgr.history.chat_records import ChatRecord
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.chat_rows import ChatRow, arrange_chats
from kdmgr.tui.messages import SavedChatsFound
from kdmgr.tui.open_chats import LAST
from kdmgr.tui.widgets.chat_table import ChatTable
from kdmgr.tui.widgets.filter_input import FilterInput
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.top_line import TopLine
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.tui.open_chats import OpenChats
    from kdmgr.tui.ports import AppServices

_LIVE_S = 0.5
"""Seconds between two looks at the chats that answer."""
_SEARCH_DELAY = 0.15
"""Seconds that a search waits for the next letter."""
_EMPTY = """\
No chats yet.

  n   choose a model among the students, and press Enter

All that is said is saved, and listed here."""
_NOTHING_FOUND = """\
Nothing that was said has these words.

  esc   show all again"""


class ChatsScreen(Screen[None]):
    """One table; what is typed into the filter is searched for in all that was said."""

    CSS_PATH = "chats.tcss"
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "chats",
        [
            Binding(
                "slash", "filter", "search", key_display="/", tooltip="Search titles, models and all that was said"
            ),
            Binding("n", "new", "new", tooltip="A new chat with the model of the selected one"),
            Binding("e", "export", "export", tooltip="Write the selected chat to a file"),
            Binding("u", "close_chat", "close", tooltip="Close an open chat and free its model; it stays saved"),
            Binding("d,x,delete", "delete", "delete", tooltip="Delete the selected chat; asks first"),
            Binding("r", "refresh", "refresh", show=False, tooltip="Read the saved chats again"),
            Binding("escape", "clear_filter", "clear the search", show=False),
            Binding("question_mark", "app.help", "help", key_display="?", tooltip="All keys"),
        ],
    )

    filter_input = getters.query_one(FilterInput)
    table = getters.query_one(ChatTable)
    listing = getters.query_one("#listing", Vertical)
    empty = getters.query_one("#empty", Static)

    def __init__(self, services: AppServices) -> None:
        super().__init__()
        self._services = services
        self._query = ""
        self._saved: list[ChatRecord] | None = None
        self._error: KdmgrError | None = None
        self._clock: Timer | None = None
        left = services.ui_state.part(LAST).get("id")
        self._to_select = f"saved:{left}" if isinstance(left, int) else ""

    @property
    def chats(self) -> OpenChats:
        """The open ones."""
        from kdmgr.tui.app import KdmgrApp

        assert isinstance(self.app, KdmgrApp)
        return self.app.chats

    def compose(self) -> ComposeResult:
        """Tabs, search, table, footer."""
        yield TopLine("chats")
        with Vertical(id="listing"):
            yield FilterInput(placeholder="search in all that was said …")
            yield ChatTable()
            yield Static(id="empty", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Paint first, read later."""
        self.table.focus()
        self._show()

    def on_screen_resume(self) -> None:
        """What was said elsewhere is listed too."""
        self.search(0.0)
        self._clock = self._clock or self.set_interval(_LIVE_S, self._look)

    def on_screen_suspend(self) -> None:
        """Nobody looks."""
        if self._clock is not None:
            self._clock.stop()
            self._clock = None

    @work(exclusive=True, group="search")
    async def search(self, delay: float) -> None:
        """Read the saved chats, in a thread."""
        import asyncio

        query = self._query
        await asyncio.sleep(delay)
        try:
            found = await asyncio.to_thread(self._services.saved_chats.search, query)
        except KdmgrError as error:
            self.post_message(SavedChatsFound(query, [], error))
        else:
            self.post_message(SavedChatsFound(query, found))

    @on(SavedChatsFound)
    def _take(self, message: SavedChatsFound) -> None:
        if message.query == self._query:
            self._saved, self._error = message.chats, message.error
            self._show()

    def _look(self) -> None:
        """The speed of those that answer moves."""
        if self.chats.streaming:
            self._show()

    def _show(self) -> None:
        rows = arrange_chats(self.chats, self._saved or [], self._query)
        self.table.display = bool(rows)
        self.table.show_rows(rows)
        self._select_left(rows)
        self.empty.display = not rows
        self.empty.update(self._describe_empty())
        self.listing.border_title = Content(self._describe_counts(rows))

    def _select_left(self, rows: list[ChatRow]) -> None:
        """The chat that was shown last when kdmgr was left, once the saved ones are read."""
        if self._to_select and self._saved is not None:
            key, self._to_select = self._to_select, ""
            if any(row.key == key for row in rows):
                self.table.select(key)

    def _describe_empty(self) -> Content:
        if self._error is not None:
            hint = f"\n{one_line(self._error.hint)}" if self._error.hint else ""
            return Content.assemble((f"✘ {one_line(self._error.message)}", "$error"), hint)
        if self._saved is None:
            return Content("reading the saved chats …")
        return Content(_NOTHING_FOUND if self._query else _EMPTY)

    def _describe_counts(self, rows: list[ChatRow]) -> str:
        n_open = sum(row.live is not None for row in rows)
        counts = [f"{len(rows)} found"] if self._query else []
        counts += [f"{n_open} open"] if n_open else []
        n_saved = sum(row.live is None for row in rows)
        counts += [f"{n_saved} saved"] if n_saved else []
        return " · ".join(["chats", *counts])

    # What the user does

    @on(ChatTable.Opened)
    async def _open(self, message: ChatTable.Opened) -> None:
        row = message.row
        if row.live is not None:
            await self.chats.show(row.live)
        elif row.record is not None:
            await self.chats.resume(row.record)

    async def action_new(self) -> None:
        """Another chat with the selected one's model; without one, a model is to be chosen."""
        row = self.table.selected
        if row is not None and row.live is not None:
            await self.chats.begin_beside(row.live)
        elif row is not None and row.record is not None:
            await self.chats.begin_like(row.record)
        else:
            self.notify("choose a model and press Enter", title="a new chat", markup=False)
            await self.app.run_action("app.go('students')")

    async def action_close_chat(self) -> None:
        """Close an open chat; ask first while it answers."""
        row = self.table.selected
        if row is None or row.live is None:
            self.notify("this chat is not open", markup=False)
        elif row.live.streaming:
            await self._confirm("An answer is still streaming. Close this chat?", "Close", row)
        else:
            await self.chats.close(row.live)
            self.search(0.0)

    async def action_delete(self) -> None:
        """Ask, then delete: there is no way back."""
        row = self.table.selected
        if row is not None:
            what = f"“{one_line(row.title)}”, {row.n_turns} turns" if row.title else "this empty chat"
            await self._confirm(f"Delete {what}? There is no way back.", "Delete", row, delete=True)

    async def _confirm(self, question: str, yes: str, row: ChatRow, *, delete: bool = False) -> None:
        from kdmgr.tui.screens.confirm import ConfirmScreen

        def answer(sure: bool | None) -> None:
            if sure:
                self.put_away(row, delete)

        await self.app.push_screen(ConfirmScreen(question, yes), answer)

    @work(group="delete")
    async def put_away(self, row: ChatRow, delete: bool) -> None:
        """Close the chat, and delete it if asked to."""
        import asyncio

        number = row.live.number if row.live else row.record.id if row.record else 0
        if row.live is not None:
            await self.chats.close(row.live)
        if delete and number:
            try:
                chat = await asyncio.to_thread(self._services.saved_chats.require, str(number))
                await asyncio.to_thread(self._services.saved_chats.remove, [chat])
            except KdmgrError as error:
                self.notify(one_line(error.message), severity="error", markup=False)
        self.search(0.0)

    def action_export(self) -> None:
        """Ask where to, and write."""
        from kdmgr.services.chat_export import suggest_name
        from kdmgr.tui.screens.ask_path import AskPathScreen

        row = self.table.selected
        number = row.live.number if row and row.live else row.record.id if row and row.record else 0
        if row is None or not number:
            self.notify("nothing was said in it yet", markup=False)
            return
        name = suggest_name(row.title, "md")
        question = AskPathScreen("Write this chat to a file", name, ".md to read, .json for programs", new=True)

        def write(path: str | None) -> None:
            if path:
                self.export(number, path)

        self.app.push_screen(question, write)

    @work(group="export")
    async def export(self, number: int, path: str) -> None:
        """Write the file; what was there is replaced, for that was asked."""
        import asyncio

        from kdmgr.services.chat_export import export_saved

        try:
            written = await asyncio.to_thread(export_saved, self._services.saved_chats, number, path)
        except KdmgrError as error:
            self.notify(one_line(error.message), severity="error", markup=False)
        else:
            self.notify(one_line(str(written)), title="written", markup=False)

    def action_filter(self) -> None:
        """Type to search."""
        self.filter_input.open()

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        self._query = event.value
        self.search(_SEARCH_DELAY)

    @on(FilterInput.Left)
    def _leave_filter(self) -> None:
        self.table.focus()

    def action_clear_filter(self) -> None:
        """Show all again."""
        self.filter_input.action_clear()

    def action_refresh(self) -> None:
        """Read the saved chats again."""
        self.search(0.0)
