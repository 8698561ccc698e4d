"""What is known of the rows: plans, sizes and speeds as they come in, the question that they answer, and the panel."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from textual import getters, on
from textual.binding import Binding

from kdmgr.services.choosing import good_verdicts
from kdmgr.tui.hints import describe_welcome
from kdmgr.tui.listing import Listing
from kdmgr.tui.messages import AssessingDone, HeaderFailed, HeaderRead, MachineFound, Planned
from kdmgr.tui.messages_students import EnginesDescribed, SizingDone, SpeedsFound, StoryTold, StudentsSized
from kdmgr.tui.plans import Judged, Plans, context_of, report_of
from kdmgr.tui.screens.assessing import AssessingScreen
from kdmgr.tui.views import JUDGED_SORTS, View
from kdmgr.tui.widgets.action_line import FOR_INSTALLED, FOR_OTHERS, KEYS
from kdmgr.tui.widgets.cache_picker import CachePicker, next_cache_type
from kdmgr.tui.widgets.columns import Line
from kdmgr.tui.widgets.context_slider import ContextSlider, step_from
from kdmgr.tui.widgets.detail_panel import DetailPanel
from kdmgr.tui.widgets.student_table import StudentTable
from kdmgr.tui.widgets.top_line import TopLine
from kdmgr.tui.words import memory_share, planned_context

if TYPE_CHECKING:
    from textual.timer import Timer

    from kdmgr.services.rows import ModelRow
    from kdmgr.tui.ports import AppServices

_REPLAN_DELAY = 0.12
"""Seconds that the other rows wait for the next key press before they are planned anew."""

_REST = 0.2
"""Seconds without another row under the cursor, after which it rests."""


class JudgingScreen(AssessingScreen):
    """Every row is judged by one question, on this machine; the panel tells of the one under the cursor."""

    top_line = getters.query_one(TopLine)
    table = getters.query_one(StudentTable)
    panel = getters.query_one(DetailPanel)

    def __init__(self, services: AppServices) -> None:
        super().__init__(services)
        self.plans = Plans(services.assess, options=services.default_options())
        self.view = View()
        self.arranged = Listing(self.plans.look_up)
        self._rows: list[ModelRow] = []
        self._by_key: dict[str, ModelRow] = {}
        self._places: dict[str, list[ModelRow]] = {}
        self._engines = ""
        self._moved_at = 0.0
        self._rest: Timer | None = None
        self._story_of: tuple[str, int, bool] = ("", -1, False)

    @property
    def rows(self) -> list[ModelRow]:
        """Every row there is: the disk's and the server's."""
        return self._rows

    def show_rows(self) -> None:
        """The rows of the view, in its order."""
        raise NotImplementedError

    def show_facets(self) -> None:
        """How many would fit."""
        raise NotImplementedError

    def _look(self, row: ModelRow, marked: bool) -> Line:
        judged = self.plans.look_up(row)
        return Line(row, judged, self.arranged.kept(row), memory_share(judged, self.plans.machine), marked)

    @on(MachineFound)
    def _take_machine(self, message: MachineFound) -> None:
        if message.generation != self.generation:
            return
        if message.machine is None:
            self.top_line.show_text(f"this machine could not be looked at: {message.error}")
            self.plans.miss_machine(message.error)
            self.table.redraw()
            return
        self.plans.set_machine(message.machine)
        self.arranged.good = good_verdicts(message.machine)
        self.top_line.show(message.machine)
        self._replan(0)

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

    def _take_plan(self, key: str) -> None:
        row = self._by_key.get(key)
        if row is not None:
            self.plans.judge(row)
            self.table.redraw_row(key)
            if self.table.selected == row:
                self._show_selected()

    @on(StudentsSized)
    def _take_sizes(self, message: StudentsSized) -> None:
        self.plans.add_sized(message.version, message.sized)
        self.table.redraw()
        row = self.table.selected
        if row is not None and not row.installed and row.match and row.match.student.id in message.sized:
            self._show_selected()

    @on(SpeedsFound)
    def _take_speeds(self, message: SpeedsFound) -> None:
        if message.generation == self.generation:
            self.plans.add_speeds(message.speeds)
            self.table.redraw()
            self._show_selected()

    @on(AssessingDone)
    @on(SizingDone)
    def _sort_again(self) -> None:
        self.arranged.outdate()
        if self.view.sort in JUDGED_SORTS or self.view.query.strip() or self.view.facets:
            self.show_rows()
        self.show_facets()

    @on(StudentTable.Highlighted)
    def _follow_cursor(self) -> None:
        """The panel follows at once; while the cursor is running, when it rests: laying it out takes longer."""
        now = monotonic()
        running, self._moved_at = now - self._moved_at < _REST, now
        if self._rest is not None:
            self._rest.stop()
            self._rest = None
        if running:
            self._rest = self.set_timer(_REST, self._show_selected)
        else:
            self._show_selected()

    def let_rest(self) -> None:
        """The cursor is running: the panel waits for it."""
        self._moved_at = monotonic()

    def _show_selected(self) -> None:
        row, machine = self.table.selected, self.plans.machine
        if row is None:
            nothing = "no model is selected" if self._places else "What a model takes will stand here."
            self.panel.show_nothing(nothing, machine)
            return
        judged = self.plans.judge(row)
        with self.app.batch_update():
            self.panel.show_row(row, judged, machine)
            self.panel.actions.show(self._list_actions(row))
            self._ask_story(row, judged)

    def _ask_story(self, row: ModelRow, judged: Judged) -> None:
        """Told once for each question; meanwhile nothing is told of another row."""
        machine, asked = self.plans.machine, (row.key, self.plans.version, judged is None)
        if machine is None or asked == self._story_of:
            return
        if self._story_of[0] != row.key:
            self.panel.await_story()
        self._story_of = asked
        self.tell_story(self.plans.version, row, report_of(judged), machine, self.plans.options)

    @on(StoryTold)
    def _show_story(self, message: StoryTold) -> None:
        row = self.table.selected
        if row is not None and row.key == message.key and message.version == self.plans.version:
            with self.app.batch_update():
                self.panel.show_story(row, message.story, report_of(self.plans.judge(row)))

    def _list_actions(self, row: ModelRow) -> list[tuple[str, str, str]]:
        """Key, label and action of what can be done with this model."""
        own = {binding.key: binding for binding in self.BINDINGS if isinstance(binding, Binding)}
        keys = [key for key in KEYS if key in own and key not in (FOR_OTHERS if row.installed else FOR_INSTALLED)]
        acts = [(key, own[key].description, f"screen.{own[key].action}") for key in keys]
        return [("Enter", "chat" if row.installed else "get it", "screen.open_selected"), *acts]

    @on(EnginesDescribed)
    def _greet(self, message: EnginesDescribed) -> None:
        self._engines = message.text
        self._show_welcome()

    def _show_welcome(self) -> None:
        """While nothing is installed, the panel begins with what to do."""
        nothing = "disk" in self._places and not any(row.installed for row in self._rows)
        self.panel.greet(describe_welcome(self._engines) if nothing else "")

    def action_context(self, by: int) -> None:
        """One step more or less context, for all models."""
        row = self.table.selected
        judged = self.plans.judge(row) if row is not None else None
        n_ctx = planned_context(judged)
        if row is not None and n_ctx is not None:
            self._ask(n_ctx=step_from(n_ctx, by, context_of(row, judged)))

    def action_default_context(self) -> None:
        """The context that the engine would choose."""
        self._ask(n_ctx=None)

    def action_cache_type(self) -> None:
        """The next type of KV cache, for all models."""
        self._ask(n_ctx=self.plans.options.n_ctx, cache_type=next_cache_type(self.plans.options.type_k))

    @on(ContextSlider.Moved)
    def _move_context(self, message: ContextSlider.Moved) -> None:
        self._ask(n_ctx=message.n_ctx)

    @on(CachePicker.Picked)
    def _pick_cache_type(self, message: CachePicker.Picked) -> None:
        self._ask(n_ctx=self.plans.options.n_ctx, cache_type=message.cache_type)

    def _ask(self, *, n_ctx: int | None, cache_type: str | None = None) -> None:
        """Another question for all rows: the selected one is answered now, the others when there is time."""
        self.plans.ask(n_ctx=n_ctx, cache_type=cache_type or self.plans.options.type_k)
        row = self.table.selected
        if row is not None:
            self._show_selected()
            self.table.redraw_row(row.key)
        self._replan(_REPLAN_DELAY)

    def _replan(self, delay: float) -> None:
        waiting = [(self._by_key[key], *known) for key, *known in self.plans.waiting() if key in self._by_key]
        self.arranged.outdate()
        self.table.redraw()
        self._show_selected()
        self.plan_rows(self.plans.version, waiting, self.plans.options, delay)
        self._size_rest(delay)

    def _size_rest(self, delay: float) -> None:
        """Size what is not installed, and look up what was measured of the rest."""
        machine = self.plans.machine
        if machine is None or not self._rows:
            return
        students = {row.match.student.id: row.match.student for row in self._rows if row.match and not row.installed}
        self.size_students(self.plans.version, list(students.values()), machine, self.plans.options, delay)
        names = [row.name for row in self._rows if row.installed]
        if names and not delay:
            self.find_speeds(self.generation, names, machine)
