"""The main screen: the table of students, and the panel about the selected one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from kdmgr.tui.binding_ids import identify
from kdmgr.tui.hints import describe_benchmark, describe_counts, describe_empty
from kdmgr.tui.merging import merge
from kdmgr.tui.messages import RowsFailed, RowsFound, StateChanged
from kdmgr.tui.remembering import FIRST_FRAME_S
from kdmgr.tui.screens.narrowing import NarrowingScreen
from kdmgr.tui.students_state import read_choice, read_text, read_view
from kdmgr.tui.widgets.detail_panel import DetailPanel
from kdmgr.tui.widgets.facet_bar import FacetBar
from kdmgr.tui.widgets.filter_input import FilterInput
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.student_table import StudentTable
from kdmgr.tui.widgets.titled_frame import TitledFrame
from kdmgr.tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from kdmgr.errors import KdmgrError
    from kdmgr.services.rows import ModelRow
    from kdmgr.tui.ports import AppServices

_LATE_S = 0.5
"""Seconds after which one is told what is waited for."""
_PANEL_STATES = ("beside", "full", "hidden")


class StudentsScreen(NarrowingScreen):
    """Installed models first, then the catalog; everything is judged on this machine."""

    CSS_PATH = "students.tcss"
    BINDINGS: ClassVar[list[BindingType]] = identify("students", [
        Binding("slash", "filter", "filter", key_display="/", tooltip="Show only models that match"),
        Binding("s", "sort", "sort", tooltip="Sort by the next column"),
        Binding("S", "reverse", "reverse", show=False, tooltip="Sort the other way round"),
        Binding("F", "facets", "facets", tooltip="Narrow by fit, task, method, licence, teacher"),
        Binding("f", "installed_only", "installed", show=False, tooltip="Installed models alone, or all"),
        Binding("left,left_square_bracket", "context(-1)", "less context", key_display="←", show=False,
                id="students.less_context"),
        Binding("right,right_square_bracket", "context(1)", "ctx", key_display="←→", tooltip="More context",
                id="students.more_context"),
        Binding("0", "default_context", "the default context", show=False),
        Binding("v", "cache_type", "KV", tooltip="The next type of KV cache: f16, q8_0, q4_0"),
        Binding("m", "panel", "panel", show=False, tooltip="The memory panel beside the table, alone, or not at all"),
        Binding("l", "ladder", "ladder", show=False, tooltip="All students of this one's teacher, by size"),
        Binding("c", "duel", "compare", show=False, tooltip="Ask this model and another the same, side by side"),
        Binding("p", "pull", "pull", show=False, tooltip="Pull the selected model of the catalog, or any by its name"),
        Binding("h", "search_hub", "Hub", tooltip="Find students on the Hugging Face Hub"),
        Binding("e", "edit_modelfile", "edit", show=False, tooltip="Edit the Modelfile of the selected model"),
        Binding("i", "app.import_file", "import", show=False, tooltip="Import a GGUF file"),
        Binding("d", "delete", "delete", show=False, tooltip="Delete the selected models; asks, says what it frees"),
        Binding("u", "unload", "unload", show=False, tooltip="Free the memory of the selected models"),
        Binding("r", "refresh", "refresh", show=False, tooltip="Look at the machine and the models again"),
        Binding("escape", "clear_filter", "clear the filter", show=False),
        Binding("question_mark", "app.help", "help", key_display="?", tooltip="All keys"),
    ])  # fmt: skip

    listing = getters.query_one("#listing", TitledFrame)
    empty = getters.query_one("#empty", Static)

    def __init__(self, services: AppServices) -> None:
        super().__init__(services)
        left = services.ui_state.part("students")
        self.view = read_view(left)
        self._failures: dict[str, KdmgrError] = {}
        self._is_late = False
        """Whether one has waited for what is to come."""
        self._panel_state = read_choice(left, "panel", _PANEL_STATES)
        self._to_select = read_text(left, "selected")

    def compose(self) -> ComposeResult:
        """Tabs and machine, table and panel, footer."""
        yield TopLine("students")
        with Horizontal(id="body"):
            with TitledFrame(id="listing"):
                yield FilterInput()
                yield FacetBar()
                yield StudentTable(self._look)
                yield Static(id="empty", markup=False)
            yield DetailPanel()
        yield KeyLine()

    def on_mount(self) -> None:
        """Paint first, ask later."""
        self.top_line.show_text("looking at this machine …")
        self.filter_input.show(self.view.query)
        self._show_panel_state()
        self.table.focus()
        self.show_rows()
        self.show_facets()
        self.app.theme_changed_signal.subscribe(self, lambda _: self.table.redraw())
        self.app.host_changed_signal.subscribe(self, lambda _: self.action_refresh())  # type: ignore[attr-defined]
        self.app.setting_changed_signal.subscribe(self, self._take_setting)  # type: ignore[attr-defined]
        self.call_after_refresh(self.set_timer, FIRST_FRAME_S, self.load)

    def load(self) -> None:
        """Ask for machine and models; what an earlier question brings is dropped."""
        self.generation += 1
        self._failures.clear()
        self.find_machine(self.generation)
        self.find_rows(self.generation)
        self.find_server_rows(self.generation)
        self.describe_engines()
        self.set_timer(_LATE_S, self._note_late)

    def _note_late(self) -> None:
        self._is_late = True
        self._show_counts()

    # What the workers report

    @on(RowsFound)
    def _take_rows(self, message: RowsFound) -> None:
        if message.generation != self.generation:
            return
        self._places[message.place] = message.rows
        self._rows = merge(
            self._places.get("disk", ()),
            self._places.get("server", ()),
            same_disk=not self.services.host_book.current.is_remote,
        )
        self.arranged.set_rows(self._rows)
        self._by_key = {row.key: row for row in self._rows}
        self.table.redraw()
        self.show_rows()
        self._show_welcome()
        self.read_headers(self.generation, [row for row in self.rows if row.installed])
        self._size_rest(0)

    @on(RowsFailed)
    def _take_failure(self, message: RowsFailed) -> None:
        if message.generation == self.generation:
            self._failures[message.place] = message.error
            self._places.setdefault(message.place, [])
            self.show_rows()

    def _select_left(self) -> None:
        """The model that was selected when the app was left, once it is in the table; nothing when it is gone."""
        if self._to_select and self.table.holds(self._to_select):
            key, self._to_select = self._to_select, ""
            self.table.select(key)
        elif {"disk", "server"} <= set(self._places) and self.table.row_count:
            self._to_select = ""

    @on(StudentTable.Highlighted)
    def _remember_selected(self, message: StudentTable.Highlighted) -> None:
        if message.key is not None and self.table.is_placed and not self._to_select:
            self.post_message(StateChanged("students", {"selected": message.key}))

    # What the user does

    def action_open_selected(self) -> None:
        """As Enter does in the table."""
        self._open_selected()

    @on(StudentTable.Opened)
    def _open_selected(self) -> None:
        if self.table.selected is not None:
            self.chat(self.table.selected)

    def reveal(self, row: ModelRow) -> None:
        """Select a row, and show all if it is filtered out."""
        if not self.table.holds(row.key):
            self.set_view(self.view.show_all())
            self.filter_input.action_clear()
        self.table.select(row.key)
        self.table.focus()

    @on(StudentTable.Marked)
    def _show_marks(self) -> None:
        self._show_counts()

    def targets(self) -> list[ModelRow]:
        """The marked rows; without any, the one under the cursor."""
        row = self.table.selected
        return self.table.marked or ([row] if row is not None else [])

    def action_panel(self) -> None:
        """The panel beside the table, alone, or not at all."""
        at = _PANEL_STATES.index(self._panel_state)
        self._panel_state = _PANEL_STATES[(at + 1) % len(_PANEL_STATES)]
        self._show_panel_state()
        self.post_message(StateChanged("students", {"panel": self._panel_state}))
        (self.panel if self._panel_state == "full" else self.table).focus()

    def _show_panel_state(self) -> None:
        self.set_class(self._panel_state == "full", "-panel-full")
        self.set_class(self._panel_state == "hidden", "-panel-hidden")

    def _take_setting(self, key: str) -> None:
        if key in ("ctx_size", "cache_type", "reserve"):
            self.plans.options = self.services.default_options()
            self._ask(n_ctx=self.plans.options.n_ctx)

    def action_refresh(self) -> None:
        """Look at everything again."""
        self.top_line.show_text("looking at this machine …")
        self.plans.forget()
        self.load()

    def show_rows(self) -> None:
        """The rows of the view, in its order."""
        benchmark = self.arranged.benchmark
        shown = self.arranged.arrange(self.view)
        if self.arranged.benchmark != benchmark:
            self.table.redraw()
        self.table.show_rows(shown)
        self._select_left()
        self.table.display = bool(shown)
        self.empty.display = not shown
        if not shown:
            judged = self.arranged.count_fits(self.view) is not None
            self.empty.update(describe_empty(self.view, self._places, self._failures.get("disk"), judged=judged))
        self._show_counts()

    def _show_counts(self) -> None:
        n_marked = len(self.table.marked)
        counts = len(self.rows), self.arranged.n_installed, self.table.row_count
        late = "asking the server …" if self._is_late and "server" not in self._places else ""
        title = describe_counts(*counts, self.view, n_marked, late) if self._places else "students"
        self.listing.show_titles(title, describe_benchmark(self.arranged.benchmark))
