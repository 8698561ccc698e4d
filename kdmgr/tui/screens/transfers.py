"""The Transfers place: the queue of pulls and imports, what interrupted ones left, and what has been."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events, getters, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import DataTable, Static

from kdmgr.errors import KdmgrError
from kdmgr.services.leftovers import Leftover
from kdmgr.services.transfer_state import PULL, Phase
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.screens.confirm import ConfirmScreen
from kdmgr.tui.screens.pull import PullScreen
from kdmgr.tui.screens.receipt import ReceiptScreen
from kdmgr.tui.transfer_messages import EarlierFound, ModelShown, ReceiptTold, TransfersChanged
from kdmgr.tui.transfer_rows import arrange, describe_counts
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.top_line import TopLine
from kdmgr.tui.widgets.transfer_panel import TransferPanel
from kdmgr.tui.widgets.transfer_table import TransferTable
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdmgr.services.pull_plan import PullPlan
    from kdmgr.services.receipts import Receipt
    from kdmgr.services.transfer_history import HistoryEntry
    from kdmgr.services.transfer_state import TransferState
    from kdmgr.tui.ports import AppServices

_EMPTY = """\
Nothing is being transferred.

  p   pull a model of a library, or hf.co/USER/REPO
  i   import a GGUF file you have

They go on while you are elsewhere."""
_LOOKING = "Looking for what earlier pulls and imports have left …"
_ENDED = (Phase.DONE, Phase.FAILED, Phase.CANCELLED)


class TransfersScreen(Screen[None]):
    """One table of everything; beside it the selected one in full."""

    CSS_PATH = "transfers.tcss"
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "transfers",
        [
            Binding("p", "pull", "pull", tooltip="Pull a model by its name"),
            Binding("i", "app.import_file", "import", tooltip="Import a GGUF file"),
            Binding("v", "receipt", "receipt", show=False, tooltip="The receipt of what was pulled or imported"),
            Binding("space", "hold", "pause", tooltip="Pause the selected transfer, or go on with it"),
            Binding("x,c", "cancel", "cancel", key_display="x", tooltip="Cancel the selected transfer"),
            Binding("d,delete", "remove", "remove", key_display="d", tooltip="Remove a line, or what a pull has left"),
            Binding("D", "clear", "clear", tooltip="Remove all lines of transfers that have ended"),
            Binding("r", "refresh", "refresh", show=False, tooltip="Look again for what interrupted pulls have left"),
            Binding("question_mark", "app.help", "help", key_display="?", tooltip="All keys"),
        ],
    )

    top_line = getters.query_one(TopLine)
    table = getters.query_one(TransferTable)
    panel = getters.query_one(TransferPanel)
    listing = getters.query_one("#listing", Vertical)
    empty = getters.query_one("#empty", Static)

    def __init__(self, services: AppServices) -> None:
        super().__init__()
        self.services = services
        self._states: tuple[TransferState, ...] = ()
        self._leftovers: tuple[Leftover, ...] = ()
        self._past: tuple[HistoryEntry, ...] = ()
        self._has_looked = False
        self._wanted: str | None = None
        """The key of a row that is to be selected as soon as it is there."""

    def compose(self) -> ComposeResult:
        """Tabs, table and panel, footer."""
        yield TopLine("transfers")
        with Horizontal(id="body"):
            with Vertical(id="listing"):
                yield TransferTable()
                yield Static(_LOOKING, id="empty", markup=False)
            yield TransferPanel()
        yield KeyLine()

    def on_mount(self) -> None:
        """Paint first, look at the disk later."""
        self._states = self.services.transfers.states()
        self.app.theme_changed_signal.subscribe(self, lambda _: self.table.redraw())
        self._show()
        self.table.focus()

    @on(events.ScreenResume)
    def _come_back(self) -> None:
        self.find_earlier()
        self._show()

    @work(thread=True, exclusive=True, group="earlier")
    def find_earlier(self) -> None:
        """Look for what other runs have left and done."""
        past = tuple(self.services.transfer_history.entries())
        try:
            leftovers = tuple(self.services.leftovers())
        except KdmgrError:
            leftovers = ()  # a store that cannot be read holds nothing to go on with
        self.post_message(EarlierFound(leftovers, past))

    @on(EarlierFound)
    def _take_earlier(self, message: EarlierFound) -> None:
        self._leftovers, self._past, self._has_looked = message.leftovers, message.past, True
        self._show()

    @on(TransfersChanged)
    def _take_states(self, message: TransfersChanged) -> None:
        ended = {state.name for state in self._states if state.phase.ended}
        self._states = message.states
        if any(state.phase.ended and state.name not in ended for state in self._states):
            self.find_earlier()
        if self.is_current:
            self._show()

    @on(DataTable.RowHighlighted)
    def _show_selected(self) -> None:
        self.panel.show(self.table.selected)
        self.refresh_bindings()

    def reveal(self, name: str) -> None:
        """Select the transfer of this model, now or as soon as it is there."""
        self._wanted = f"queue:{name}"
        self._show()

    # What the user does

    def action_pull(self, name: str = "") -> None:
        """Ask for a name, show the plan, queue it."""
        self.app.push_screen(PullScreen(self.services, name), self._queue)

    def action_refresh(self) -> None:
        """Look at the disk again."""
        self.find_earlier()

    @on(TransferTable.Opened)
    def _open(self) -> None:
        row = self.table.selected
        if row is None:
            return
        if isinstance(row.item, Leftover):
            self._go_on(row.item)
        elif row.state is not None and row.phase in (Phase.FAILED, Phase.CANCELLED, Phase.PAUSED):
            self.services.transfers.resume(row.name)
        elif row.state is not None and row.phase is Phase.DONE:
            self.post_message(ModelShown(row.name))
        elif row.state is None and row.receipt is not None:
            self.tell_receipt(row.receipt)
        elif row.state is None and row.kind == PULL and row.phase is not Phase.DONE:
            self.action_pull(row.name)

    def action_receipt(self) -> None:
        """Read where the selected one came from."""
        row = self.table.selected
        if row is not None and row.receipt is not None:
            self.tell_receipt(row.receipt)

    @work(thread=True, exclusive=True, group="receipt")
    def tell_receipt(self, receipt: Receipt) -> None:
        """Look whether the model is still there."""
        self.post_message(ReceiptTold(self.services.transfer_history.tell(receipt)))

    @on(ReceiptTold)
    def _show_receipt(self, message: ReceiptTold) -> None:
        if self.is_current:
            self.app.push_screen(ReceiptScreen(message.story))

    def _go_on(self, entry: Leftover) -> None:
        if entry.name is None:
            self.notify("Nobody knows which model it belongs to; d removes it.", severity="warning", markup=False)
        else:
            self.action_pull(entry.name)

    def action_hold(self) -> None:
        """Pause, or go on."""
        row = self.table.selected
        if row is None or row.state is None:
            return
        if row.phase in (Phase.RUNNING, Phase.QUEUED):
            self.services.transfers.pause(row.name)
        elif row.phase is Phase.PAUSED:
            self.services.transfers.resume(row.name)

    def action_cancel(self) -> None:
        """End the selected one; what a pull has brought is kept."""
        row = self.table.selected
        if row is not None and row.state is not None:
            self.services.transfers.cancel(row.name)

    def action_remove(self) -> None:
        """Forget a line; ask before bytes go."""
        row = self.table.selected
        if row is None:
            return
        if isinstance(row.item, Leftover):
            self._ask_to_remove(row.item)
        elif row.state is not None:
            self.services.transfers.remove(row.name)
            self.find_earlier()
        elif row.entry is not None:
            self.services.transfer_history.forget(row.entry)
            self.find_earlier()

    def _ask_to_remove(self, entry: Leftover) -> None:
        question = f"Remove what has come of {entry.key}? It frees {format_bytes(entry.completed)}."
        self._ask(question, "Remove", lambda: self.remove_leftover(entry))

    def _ask(self, question: str, yes: str, act: Callable[[], object]) -> None:
        def answer(agreed: bool | None) -> None:
            if agreed:
                act()

        self.app.push_screen(ConfirmScreen(question, yes), answer)

    @work(thread=True, group="remove")
    def remove_leftover(self, entry: Leftover) -> None:
        """Remove its files, and look again."""
        try:
            self.services.remove_leftovers([entry])
        except KdmgrError as error:
            self.app.call_from_thread(
                self.notify, f"{error.message}\n{error.hint or ''}", severity="error", markup=False
            )
        self.app.call_from_thread(self.find_earlier)

    def action_clear(self) -> None:
        """Remove every line of what has ended; no byte of a model goes."""
        for state in self._states:
            self.services.transfers.remove(state.name)
        if self._past:
            question = f"Forget the {len(self._past)} transfers of the past too? No model is removed."
            self._ask(question, "Forget", self._forget_past)

    def _forget_past(self) -> None:
        self.services.transfer_history.clear()
        self.find_earlier()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dimmed where the selected row has no such thing."""
        row = self.table.selected if self.is_mounted else None
        going_on = row is not None and row.state is not None and row.phase not in _ENDED
        if action in ("hold", "cancel"):
            return going_on or None
        if action == "remove":
            return (row is not None and not going_on) or None
        if action == "receipt":
            return (row is not None and row.receipt is not None) or None
        return True

    def _queue(self, plan: PullPlan | None) -> None:
        if plan is not None:
            self.services.transfers.add(plan)
            self.reveal(plan.name)

    def _show(self) -> None:
        rows = arrange(self._states, self._leftovers, self._past, self.services.transfers.began)
        self.table.display, self.empty.display = bool(rows), not rows
        if not rows:
            self.empty.update(_EMPTY if self._has_looked else _LOOKING)
        self.table.show_rows(rows)
        self.listing.border_title = Content(describe_counts(rows))
        if self._wanted in {row.key for row in rows}:
            self.table.select(self._wanted or "")
            self._wanted = None
        self._show_selected()
