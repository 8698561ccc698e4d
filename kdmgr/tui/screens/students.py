"""The main screen: the table of students, and the panel about the selected one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import DataTable, Footer, Input, Static

from kdmgr.fit.plan import FitReport
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.hints import describe_counts, describe_empty, describe_missing, name_to_pull
from kdmgr.tui.listing import View, arrange, merge
from kdmgr.tui.messages import (
    AssessingDone,
    ChatAsked,
    HeaderFailed,
    HeaderRead,
    MachineFound,
    Planned,
    RowsFailed,
    RowsFound,
    StateChanged,
)
from kdmgr.tui.messages_duel import DuelAsked
from kdmgr.tui.plans import Plans
from kdmgr.tui.screens.assessing import AssessingScreen
from kdmgr.tui.screens.modelfile import ModelfileScreen
from kdmgr.tui.screens.pull import PullScreen
from kdmgr.tui.students_state import read_choice, read_text, read_view, view_values
from kdmgr.tui.widgets.cache_picker import CachePicker, next_cache_type
from kdmgr.tui.widgets.context_slider import ContextSlider, step_from
from kdmgr.tui.widgets.detail_panel import DetailPanel
from kdmgr.tui.widgets.filter_input import FilterInput
from kdmgr.tui.widgets.student_table import StudentTable
from kdmgr.tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from kdmgr.errors import KdmgrError
    from kdmgr.services.pull_plan import PullPlan
    from kdmgr.services.rows import ModelRow
    from kdmgr.tui.ports import AppServices

_REPLAN_DELAY = 0.12
"""Seconds that the other rows wait for the next key press before they are planned anew."""
_PANEL_STATES = ("beside", "full", "hidden")


class StudentsScreen(AssessingScreen):
    """Installed models first, then the catalog; everything is judged on this machine."""

    CSS_PATH = "students.tcss"
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "students",
        [
            Binding("slash", "filter", "filter", key_display="/", tooltip="Show only models that match"),
            Binding("c", "duel", "compare", show=False, tooltip="Ask this model and another the same, side by side"),
            Binding("s", "sort", "sort", tooltip="Sort by the next column"),
            Binding("f", "installed_only", "installed", tooltip="Show or hide the students that are not installed"),
            Binding(
                "left,left_square_bracket",
                "context(-1)",
                "less context",
                key_display="←",
                show=False,
                id="students.less_context",
            ),
            Binding(
                "right,right_square_bracket",
                "context(1)",
                "context",
                key_display="←→",
                tooltip="More context",
                id="students.more_context",
            ),
            Binding("0", "default_context", "the default context", show=False),
            Binding("v", "cache_type", "KV type", tooltip="The next type of KV cache: f16, q8_0, q4_0"),
            Binding(
                "p", "pull", "pull", show=False, tooltip="Pull the selected model of the catalog, or any by its name"
            ),
            Binding("e", "edit_modelfile", "edit", show=False, tooltip="Edit the Modelfile of the selected model"),
            Binding("i", "app.import_file", "import", show=False, tooltip="Import a GGUF file"),
            Binding("m", "panel", "panel", tooltip="Show the memory panel beside the table, alone, or not at all"),
            Binding("r", "refresh", "refresh", show=False, tooltip="Look at the machine and the models again"),
            Binding("escape", "clear_filter", "clear the filter", show=False),
            Binding("question_mark", "app.help", "help", key_display="?", tooltip="All keys"),
        ],
    )

    top_line = getters.query_one(TopLine)
    filter_input = getters.query_one(FilterInput)
    table = getters.query_one(StudentTable)
    panel = getters.query_one(DetailPanel)
    listing = getters.query_one("#listing", Vertical)
    empty = getters.query_one("#empty", Static)

    def __init__(self, services: AppServices) -> None:
        super().__init__(services)
        left = services.ui_state.part("students")
        self.plans = Plans(services.assess, options=services.default_options())
        self.view = read_view(left)
        self._places: dict[str, list[ModelRow]] = {}
        self._rows: list[ModelRow] = []
        self._failures: dict[str, KdmgrError] = {}
        self._panel_state = read_choice(left, "panel", _PANEL_STATES)
        self._to_select = read_text(left, "selected")

    def compose(self) -> ComposeResult:
        """Tabs and machine, table and panel, footer."""
        yield TopLine("students")
        with Horizontal(id="body"):
            with Vertical(id="listing"):
                yield FilterInput()
                yield StudentTable(self.plans.look_up)
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
        self._show_rows()
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

    @property
    def rows(self) -> list[ModelRow]:
        """Every row there is: the disk's and the server's."""
        return self._rows

    # What the workers report

    @on(MachineFound)
    def _take_machine(self, message: MachineFound) -> None:
        if message.generation != self.generation:
            return
        if message.machine is None:
            self.top_line.show_text(f"this machine could not be looked at: {message.error}")
            return
        self.plans.set_machine(message.machine)
        self.top_line.show(message.machine)
        self._replan(0)

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
        self._show_rows()
        self.read_headers(self.generation, [row for row in self.rows if row.installed])

    @on(RowsFailed)
    def _take_failure(self, message: RowsFailed) -> None:
        if message.generation == self.generation:
            self._failures[message.place] = message.error
            self._places.setdefault(message.place, [])
            self._show_rows()

    @on(HeaderRead)
    def _take_header(self, message: HeaderRead) -> None:
        if message.generation == self.generation:
            self.plans.add_shape(message.key, message.shape, message.source, message.machine)
            self._take_plan(message.key)

    @on(HeaderFailed)
    def _take_header_failure(self, message: HeaderFailed) -> None:
        if message.generation == self.generation:
            self.plans.add_problem(message.key, message.error, on_server=message.on_server)
            self._take_plan(message.key)

    @on(Planned)
    def _keep_plan(self, message: Planned) -> None:
        if message.version == self.plans.version:
            self.plans.add_report(message.key, message.version, message.report)
            self._take_plan(message.key)

    @on(AssessingDone)
    def _sort_again(self) -> None:
        if self.view.sort in ("fit", "speed"):
            self._show_rows()

    def _take_plan(self, key: str) -> None:
        row = next((row for row in self.rows if row.key == key), None)
        if row is not None:
            self.plans.judge(row)
            self.table.redraw_row(key)
            if self.table.selected == row:
                self._show_selected()

    def _select_left(self) -> None:
        """The model that was selected when the app was left, once it is in the table; nothing when it is gone."""
        if self._to_select in self.table.rows:
            key, self._to_select = self._to_select, ""
            self.table.select(key)
        elif {"disk", "server"} <= set(self._places) and self.table.row_count:
            self._to_select = ""

    # What the user does

    @on(DataTable.RowHighlighted)
    def _show_selected(self) -> None:
        self._select_left()
        row = self.table.selected
        if row is not None and not self._to_select:
            self.post_message(StateChanged("students", {"selected": row.key}))
        if row is None:
            self.panel.show_nothing("no model is selected", self.plans.machine)
        else:
            self.panel.show_row(row, self.plans.judge(row), self.plans.machine)

    @on(StudentTable.Opened)
    def _open_selected(self) -> None:
        if self.table.selected is not None:
            self.chat(self.table.selected)

    def reveal(self, row: ModelRow) -> None:
        """Select a row, and show all if it is filtered out."""
        if row not in arrange(self.rows, self.view, self.plans.look_up):
            self._set_view(View(sort=self.view.sort))
            self.filter_input.action_clear()
        self.table.select(row.key)
        self.table.focus()

    def reveal_name(self, name: str) -> None:
        """Select the installed model of this name, if it is listed."""
        found = next((row for row in self.rows if row.installed and row.name == name), None)
        if found is not None:
            self.reveal(found)

    def chat(self, row: ModelRow) -> None:
        """Open a chat with an installed model; offer to pull another."""
        if not row.installed and name_to_pull(row):
            self._offer_pull(name_to_pull(row))
            return
        if not row.installed or row.ref is None:
            self.notify(describe_missing(row), title="not installed", severity="warning", markup=False)
            return
        options = self.plans.options
        cache_type = None if options.type_k == "f16" else options.type_k
        self.app.post_message(ChatAsked(row, options.n_ctx, cache_type))

    def action_pull(self) -> None:
        """Offer to pull the selected model; ask for a name where it has none, or is here."""
        row = self.table.selected
        self._offer_pull(name_to_pull(row) if row is not None and not row.installed else "")

    def action_edit_modelfile(self) -> None:
        """Open the Modelfile of an installed model."""
        row = self.table.selected
        if row is not None and row.installed:
            self.app.push_screen(ModelfileScreen(self.services, row.name))
        elif row is not None:
            self.notify("Only an installed model has a Modelfile: p pulls it.", severity="warning", markup=False)

    def _offer_pull(self, name: str) -> None:
        def queue(plan: PullPlan | None) -> None:
            if plan is not None:
                self.services.transfers.add(plan)
                self.notify(f"{plan.name} is in the queue: see Transfers.", markup=False)

        self.app.push_screen(PullScreen(self.services, name), queue)

    def look_again(self) -> None:
        """Something has made a model."""
        self.load()

    def action_duel(self) -> None:
        """Choose whom the selected model is compared with."""
        row = self.table.selected
        if row is None:
            return
        if not row.installed or row.ref is None:
            self.notify("Only installed models can be compared: p pulls it.", severity="warning", markup=False)
            return
        from kdmgr.tui.screens.opponents import OpponentScreen

        self.app.push_screen(OpponentScreen(row, self.rows), lambda other: self.duel(row, other) if other else None)

    def duel(self, left: ModelRow, right: ModelRow) -> None:
        """Ask two installed models the same."""
        options = self.plans.options
        cache_type = None if options.type_k == "f16" else options.type_k
        self.app.post_message(DuelAsked(left, right, options.n_ctx, cache_type))

    def action_filter(self) -> None:
        """Type to filter."""
        self.filter_input.open()

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        self._set_view(replace(self.view, query=event.value))

    @on(FilterInput.Left)
    def _leave_filter(self) -> None:
        self.table.focus()

    def action_clear_filter(self) -> None:
        """Show all again."""
        self.filter_input.action_clear()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._set_view(self.view.next_sort())

    def action_installed_only(self) -> None:
        """Hide the students that are not installed, or show them again."""
        self._set_view(replace(self.view, installed_only=not self.view.installed_only))

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

    def action_context(self, by: int) -> None:
        """One step more or less context, for all models."""
        report = self._selected_report()
        if report is not None:
            self._ask(n_ctx=step_from(report.options.n_ctx, by, report.shape.n_ctx_train))

    def action_default_context(self) -> None:
        """The context that the engine would choose."""
        self._ask(n_ctx=None)

    def action_cache_type(self) -> None:
        """The next type of KV cache, for all models."""
        self._ask(n_ctx=self.plans.options.n_ctx, cache_type=next_cache_type(self.plans.options.type_k))

    def action_refresh(self) -> None:
        """Look at everything again."""
        self.top_line.show_text("looking at this machine …")
        self.plans.forget()
        self.load()

    @on(ContextSlider.Moved)
    def _move_context(self, message: ContextSlider.Moved) -> None:
        self._ask(n_ctx=message.n_ctx)

    @on(CachePicker.Picked)
    def _pick_cache_type(self, message: CachePicker.Picked) -> None:
        self._ask(n_ctx=self.plans.options.n_ctx, cache_type=message.cache_type)

    def _take_setting(self, key: str) -> None:
        if key in ("ctx_size", "cache_type", "reserve"):
            self.plans.options = self.services.default_options()
            self._ask(n_ctx=self.plans.options.n_ctx)

    def _ask(self, *, n_ctx: int | None, cache_type: str | None = None) -> None:
        """Another question for all rows: the selected one is answered now, the others when there is time."""
        self.plans.ask(n_ctx=n_ctx, cache_type=cache_type or self.plans.options.type_k)
        row = self.table.selected
        if row is not None:
            self._show_selected()
            self.table.redraw_row(row.key)
        self._replan(_REPLAN_DELAY)

    def _replan(self, delay: float) -> None:
        by_key = {row.key: row for row in self.rows}
        waiting = [(by_key[key], *known) for key, *known in self.plans.waiting() if key in by_key]
        self._show_selected()
        self.plan_rows(self.plans.version, waiting, self.plans.options, delay)

    def _selected_report(self) -> FitReport | None:
        row = self.table.selected
        judged = self.plans.judge(row) if row is not None else None
        return judged if isinstance(judged, FitReport) else None

    def _set_view(self, view: View) -> None:
        self.view = view
        self.post_message(StateChanged("students", view_values(view)))
        self._show_rows()

    def _show_rows(self) -> None:
        shown = arrange(self.rows, self.view, self.plans.look_up)
        self.table.show_rows(shown)
        self._select_left()
        self.table.display = bool(shown)
        self.empty.display = not shown
        self.empty.update(describe_empty(self.view, self._places, self._failures.get("disk")))
        self.listing.border_title = Content(describe_counts(self.rows, shown, self.view))
        if not shown:
            self._show_selected()
