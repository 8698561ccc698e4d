"""The main screen: the table of students, and the panel about the selected one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Footer, Input, Static

from kdmgr.tui.binding_ids import identify
from kdmgr.tui.facet_words import Option, list_options
from kdmgr.tui.hints import describe_benchmark, describe_counts, describe_empty
from kdmgr.tui.listing import SORTS, View, merge
from kdmgr.tui.messages import RowsFailed, RowsFound, StateChanged
from kdmgr.tui.screens.leading import LeadingScreen
from kdmgr.tui.students_state import read_choice, read_text, read_view, view_values
from kdmgr.tui.widgets.detail_panel import DetailPanel
from kdmgr.tui.widgets.facet_bar import FacetBar
from kdmgr.tui.widgets.filter_input import FilterInput
from kdmgr.tui.widgets.student_table import StudentTable
from kdmgr.tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from kdmgr.errors import KdmgrError
    from kdmgr.services.facets import Facet
    from kdmgr.services.rows import ModelRow
    from kdmgr.tui.ports import AppServices

_PANEL_STATES = ("beside", "full", "hidden")


class StudentsScreen(LeadingScreen):
    """Installed models first, then the catalog; everything is judged on this machine."""

    CSS_PATH = "students.tcss"
    BINDINGS: ClassVar[list[BindingType]] = identify("students", [
        Binding("slash", "filter", "filter", key_display="/", tooltip="Show only models that match"),
        Binding("s", "sort", "sort", tooltip="Sort by the next column"),
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

    filter_input = getters.query_one(FilterInput)
    facet_bar = getters.query_one(FacetBar)
    listing = getters.query_one("#listing", Vertical)
    empty = getters.query_one("#empty", Static)

    def __init__(self, services: AppServices) -> None:
        super().__init__(services)
        left = services.ui_state.part("students")
        self.view = read_view(left)
        self._failures: dict[str, KdmgrError] = {}
        self._panel_state = read_choice(left, "panel", _PANEL_STATES)
        self._to_select = read_text(left, "selected")

    def compose(self) -> ComposeResult:
        """Tabs and machine, table and panel, footer."""
        yield TopLine("students")
        with Horizontal(id="body"):
            with Vertical(id="listing"):
                yield FilterInput()
                yield FacetBar()
                yield StudentTable(self._look)
                yield Static(id="empty", markup=False)
            yield DetailPanel()
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Paint first, ask later."""
        self.top_line.show_text("looking at this machine …")
        self.listing.border_title = "students"
        self.filter_input.show(self.view.query)
        self._show_panel_state()
        self.table.focus()
        self.show_rows()
        self.app.theme_changed_signal.subscribe(self, lambda _: self.table.redraw())
        self.app.host_changed_signal.subscribe(self, lambda _: self.action_refresh())  # type: ignore[attr-defined]
        self.app.setting_changed_signal.subscribe(self, self._take_setting)  # type: ignore[attr-defined]
        self.call_after_refresh(self.load)

    def load(self) -> None:
        """Ask for machine and models; what an earlier question brings is dropped."""
        self.generation += 1
        self._failures.clear()
        self.find_machine(self.generation)
        self.find_rows(self.generation)
        self.find_server_rows(self.generation)
        self.describe_engines()

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
        if message.key is not None and not self._to_select:
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
            self._set_view(View(sort=self.view.sort))
            self.filter_input.action_clear()
        self.table.select(row.key)
        self.table.focus()

    def action_filter(self) -> None:
        """Type to filter."""
        self.filter_input.open()

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        self.let_rest()
        self._set_view(replace(self.view, query=event.value))

    @on(FilterInput.Left)
    def _leave_filter(self, message: FilterInput.Left) -> None:
        if message.by_enter and self.words_for_hub and "disk" in self._places and not self.table.row_count:
            self.action_search_hub()
        else:
            self.set_focus(self.table if self.table.display else None)

    @property
    def words_for_hub(self) -> str:
        """What the table is filtered by."""
        return self.view.query.strip()

    def action_clear_filter(self) -> None:
        """Select none; when none is, show all again."""
        if not self.table.clear_marks():
            self.filter_input.action_clear()
            self._set_view(View(sort=self.view.sort))

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._set_view(self.view.next_sort())

    def action_installed_only(self) -> None:
        """Hide the students that are not installed, or show them again."""
        self._set_view(replace(self.view, installed_only=not self.view.installed_only))

    @on(StudentTable.SortAsked)
    def _sort_by(self, message: StudentTable.SortAsked) -> None:
        if message.column in SORTS:
            self._set_view(replace(self.view, sort=message.column))

    @on(StudentTable.Marked)
    def _show_marks(self) -> None:
        self._show_counts()

    def targets(self) -> list[ModelRow]:
        """The marked rows; without any, the one under the cursor."""
        row = self.table.selected
        return self.table.marked or ([row] if row is not None else [])

    def action_facets(self) -> None:
        """Choose what to show."""
        from kdmgr.tui.screens.facets import FacetsScreen

        self.app.push_screen(FacetsScreen(self._list_facets, self._toggle_facet))

    def _list_facets(self) -> list[Option]:
        return list_options(self.arranged.count_facets(self.view), self.view)

    def _toggle_facet(self, facet: Facet | None) -> None:
        if facet is None:
            self._set_view(replace(self.view, facets=frozenset(), installed_only=False))
        else:
            self._set_view(self.view.toggle(facet))

    @on(FacetBar.Toggled)
    def _toggle_chip(self, message: FacetBar.Toggled) -> None:
        if message.facet is None:
            self.action_installed_only()
        else:
            self._toggle_facet(message.facet)

    @on(FacetBar.MoreAsked)
    def _open_facets(self) -> None:
        self.action_facets()

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

    def _set_view(self, view: View) -> None:
        narrowed = (view.facets, view.installed_only) != (self.view.facets, self.view.installed_only)
        self.view = view
        self.post_message(StateChanged("students", view_values(view)))
        self.show_rows()
        if narrowed:
            self.show_facets()

    def show_rows(self) -> None:
        """The rows of the view, in its order."""
        shown = self.arranged.arrange(self.view)
        self.table.show_rows(shown)
        self._select_left()
        self.table.display = bool(shown)
        self.empty.display = not shown
        self.empty.update(describe_empty(self.view, self._places, self._failures.get("disk")))
        self._show_counts()

    def _show_counts(self) -> None:
        title = describe_counts(self.rows, self.table.rows, self.view, len(self.table.marked))
        self.listing.border_title = Content(title)
        self.listing.border_subtitle = Content(describe_benchmark(self.arranged.benchmark))

    def show_facets(self) -> None:
        """What narrows the table, and how many would fit."""
        self.facet_bar.show(self.view, self.arranged.count_fits(self.view))
