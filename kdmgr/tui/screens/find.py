"""Students on the Hugging Face Hub: asked for when the user presses Enter, and pulled from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable, Input, Static

from kdmgr.errors import KdmgrError
from kdmgr.services.discovery import DEFAULT_WORDS
from kdmgr.tui import find_words as words
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.finds import SORTS, Finds
from kdmgr.tui.messages_find import EvidenceRead, FindsSized, QuantsFitted, QuantsListed, Searched, SearchTold
from kdmgr.tui.screens.asking_hub import HubAskingScreen
from kdmgr.tui.screens.pull import offer_pull
from kdmgr.tui.widgets.facts import Facts
from kdmgr.tui.widgets.find_tables import FindInput, FindsTable, Opened, QuantsTable
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.top_line import TopLine
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.services.discovery import Find
    from kdmgr.tui.ports import AppServices


class FindScreen(HubAskingScreen):
    """A field, what was found, and everything about the selected repository."""

    CSS_PATH = "find.tcss"
    BINDINGS: ClassVar[list[BindingType]] = identify("find", [
        Binding("slash", "ask", "search", key_display="/", tooltip="Ask the Hub for other words"),
        Binding("s", "sort", "sort", tooltip="By downloads, likes, or the last change: asks again"),
        Binding("a", "everything", "all", tooltip="Also what nothing suggests to be a student, or may not load"),
        Binding("f", "fit", "fit", tooltip="Read the headers of the selected repository: which quant fits"),
        Binding("e", "evidence", "evidence", tooltip="Read the model card: the sentence that claims distillation"),
        Binding("c", "copy", "copy link", show=False, tooltip="Copy the link to the repository's page"),
        Binding("r", "again", "again", show=False, tooltip="Ask the same once more"),
        Binding("escape", "leave", "back", tooltip="Stop asking; back to the students"),
        Binding("question_mark", "app.help", "help", key_display="?", tooltip="All keys"),
    ])  # fmt: skip

    field = getters.query_one(FindInput)
    table = getters.query_one(FindsTable)
    note = getters.query_one("#find-note", Static)
    body = getters.query_one("#find-body", Vertical)
    about = getters.query_one("#find-about", Horizontal)
    facts = getters.query_one(Facts)
    quants = getters.query_one(QuantsTable)
    quants_note = getters.query_one("#quants-note", Static)

    def __init__(self, services: AppServices, options: RunOptions, machine: Machine | None, query: str = "") -> None:
        """`query` is what the field begins with; nothing is asked for it before Enter."""
        super().__init__(services)
        self.finds: Finds | None = None
        self._options, self._machine, self._query = options, machine, query
        self._sort, self._everything = SORTS[0], False
        self._version = 0
        self._asking = False
        self._busy: set[str] = set()
        """Repositories whose headers are being read."""
        self._cards: dict[str, bool] = {}
        """Whether the card of a repository has been read, and is not still being."""

    def compose(self) -> ComposeResult:
        """The answer above, the selected repository below."""
        yield TopLine("students")
        with Vertical(id="find-body"):
            yield FindInput(self._query)
            yield FindsTable()
            yield Static(words.INVITATION, id="find-note", markup=False)
        with Horizontal(id="find-about"):
            with VerticalScroll(id="find-facts"):
                yield Facts(label_width=10)
            with VerticalScroll(id="find-quants", can_focus=False):
                yield QuantsTable()
                yield Static(id="quants-note", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """With the cursor in the field."""
        if self._machine is not None:
            self.query_one(TopLine).show(self._machine)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._redraw())
        self._say(words.INVITATION)
        self.field.focus()

    def _redraw(self) -> None:
        self.table.redraw()
        self.quants.redraw()

    # Asking

    @on(Input.Submitted)
    def _ask(self) -> None:
        self._version += 1
        self._query, self.finds, self._asking = one_line(self.field.value.strip()) or DEFAULT_WORDS, None, True
        self._cards.clear()
        self.field.value = self._query
        self._say(words.describe_asking(self._query))
        self.search(self._version, self._query, self._sort)
        self.set_focus(None)

    @on(SearchTold)
    def _tell_wait(self, message: SearchTold) -> None:
        if message.version == self._version and self._asking:
            self._say(words.describe_asking(self._query, message.sentence))

    @on(Searched)
    def _take_answer(self, message: Searched) -> None:
        if message.version != self._version or not self._asking:
            return
        self._asking = False
        if message.result is None:
            self._say(words.describe_failure(message.error or KdmgrError("nothing is known")))
            return
        self.finds = Finds(message.result)
        if self._machine is not None and self.finds.students():
            self.size_students(self._version, self.finds.students(), self._machine, self._options)
        self._show()
        if self.table.display and self.focused is not self.field:
            self.table.focus()

    def action_again(self) -> None:
        """The same words once more."""
        if self._version:
            self._ask()

    def action_sort(self) -> None:
        """In another order; the Hub sorts, so it is asked again."""
        self._sort = SORTS[(SORTS.index(self._sort) + 1) % len(SORTS)]
        self._show_title(0)
        self.action_again()

    def action_leave(self) -> None:
        """Stop asking; else from the field to what was found; else back."""
        if self._asking:
            self._asking = False
            self.workers.cancel_group(self, "search")
            self._say(words.STOPPED)
        elif self.focused is self.field and self.table.display:
            self.table.focus()
        else:
            self.dismiss()

    # What was found

    def _say(self, sentence: str | Content) -> None:
        """In place of rows."""
        self.note.update(sentence)
        self.note.display, self.table.display, self.about.display = True, False, False
        self._show_title(0)

    def _show_title(self, n_shown: int) -> None:
        self.body.border_title = Content(words.describe_title(self.finds, n_shown, self._sort))
        notes = self.finds.notes if self.finds is not None else ()
        self.body.border_subtitle = Content(one_line("; ".join(notes)))

    def _show(self) -> None:
        finds = self.finds
        if finds is None:
            return
        shown = finds.shown(everything=self._everything)
        if not shown:
            self._say(words.describe_nothing(finds, self._query))
            return
        self.note.display, self.table.display, self.about.display = False, True, True
        self._show_title(len(shown))
        self.table.show([words.find_line(find, finds) for find in shown])
        self._show_selected()

    @on(FindsSized)
    def _take_sizes(self, message: FindsSized) -> None:
        if message.version == self._version and self.finds is not None:
            self.finds.sized = message.sized
            self._show()

    @property
    def selected(self) -> Find | None:
        """The repository under the cursor."""
        return self.finds.get(self.table.selected) if self.finds is not None and self.table.display else None

    @on(DataTable.RowHighlighted, "#finds-table")
    def _follow_cursor(self) -> None:
        find = self.selected
        if find is not None and self.finds is not None and find.entry.repo not in self.finds.quants:
            self.list_quants(find.entry.repo, find.ref)
        self.query_one("#find-facts", VerticalScroll).scroll_home(animate=False)
        self._show_selected()

    def _show_selected(self) -> None:
        find, finds = self.selected, self.finds
        if find is None or finds is None:
            return
        repo = find.entry.repo
        self.query_one("#find-facts", VerticalScroll).border_title = Content(one_line(repo))
        reading = self._cards.get(repo) is False
        self.facts.show(words.find_facts(find, finds.estimate(find), reading_card=reading))
        listed, ladder = finds.quants.get(repo), finds.ladder(find)
        lines = words.quant_lines(listed, ladder.rungs if ladder else ()) if isinstance(listed, tuple) else []
        self.query_one("#find-quants").border_title = words.describe_plans(ladder)
        self.quants.display = bool(lines)
        self.quants.show(lines)
        hint = "" if ladder is not None else words.UNFITTED
        self.quants_note.update(words.describe_quants(listed, reading=repo in self._busy, problem=hint))
        self.quants_note.display = ladder is None

    @on(QuantsListed)
    def _take_quants(self, message: QuantsListed) -> None:
        if self.finds is not None:
            self.finds.quants[message.repo] = message.error or message.quants
            self._show()

    @on(QuantsFitted)
    def _take_ladder(self, message: QuantsFitted) -> None:
        self._busy.discard(message.repo)
        if self.finds is not None:
            self.finds.take_ladder(message.repo, message.ladder, message.error)
            self._show()

    @on(EvidenceRead)
    def _take_evidence(self, message: EvidenceRead) -> None:
        self._cards[message.repo] = True
        if self.finds is not None:
            self.finds.take_evidence(message.repo, message.find, message.error)
            self._show()

    # What the user does

    def action_ask(self) -> None:
        """Other words."""
        self.set_focus(self.field)

    def action_to_finds(self) -> None:
        """From the field to the rows."""
        if self.table.display:
            self.table.focus()

    def action_everything(self) -> None:
        """Also what nothing suggests, or those that something suggests alone."""
        self._everything = not self._everything
        self._show()

    def action_fit(self) -> None:
        """Plan every quant of the selected repository."""
        find = self.selected
        if find is not None and find.entry.repo not in self._busy:
            self._busy.add(find.entry.repo)
            self.fit_quants(find.entry.repo, find.ref, self._options)
            self._show_selected()

    def action_evidence(self) -> None:
        """Quote the selected repository's card."""
        find = self.selected
        if find is not None and find.entry.repo not in self._cards:
            self._cards[find.entry.repo] = False
            self.read_evidence(find)
            self._show_selected()

    def action_copy(self) -> None:
        """The page of the selected repository."""
        find = self.selected
        if find is not None:
            link = self.services.hub_desk.link(find.ref)
            self.app.copy_to_clipboard(link)
            self.notify(f"{link} is copied.", markup=False)

    @on(Opened)
    def _pull(self, message: Opened) -> None:
        find = self.selected
        if find is None or self.finds is None:
            return
        ladder = self.finds.ladder(find)
        best = ladder.recommended.report.ref if ladder is not None and ladder.recommended else str(find.ref)
        offer_pull(self, self.services, message.key if message.table is self.quants else best)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dimmed while there is nothing that it could be about."""
        if action in ("fit", "evidence", "copy") and self.is_mounted:
            return self.selected is not None or None
        return True
