"""Everything about the selected model: verdict, controls, memory, lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import getters
from textual.app import ComposeResult
from textual.containers import Container, VerticalGroup, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from kdmgr.fit.plan import FitReport
from kdmgr.services.size_estimates import SizedStudent
from kdmgr.services.wording import MARKS
from kdmgr.tui.facts_of import bare_places, estimated_places, facts_of
from kdmgr.tui.plans import Judged, Problem, report_of
from kdmgr.tui.widgets.action_line import ActionLine
from kdmgr.tui.widgets.cache_picker import CachePicker
from kdmgr.tui.widgets.context_slider import ContextSlider
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.widgets.facts import Facts
from kdmgr.tui.widgets.memory_view import MemoryView
from kdmgr.tui.widgets.passage import Passage
from kdmgr.tui.widgets.story_view import StoryView
from kdmgr.tui.words import COLORS, describe_row, is_estimate, one_line
from kdmgr.units import format_bytes, format_count

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.services.rows import ModelRow
    from kdmgr.services.student_story import StudentStory


class DetailPanel(VerticalScroll):
    """The panel beside the table, or below it."""

    verdict = getters.query_one("#detail-verdict", Passage)
    about = getters.query_one("#detail-about", Passage)
    slider = getters.query_one(ContextSlider)
    picker = getters.query_one(CachePicker)
    memory = getters.query_one(MemoryView)
    facts = getters.query_one("#detail-facts", Facts)
    actions = getters.query_one(ActionLine)
    story = getters.query_one(StoryView)
    welcome = getters.query_one("#detail-welcome", Static)

    def compose(self) -> ComposeResult:
        """Verdict and controls, then memory (beside them when the panel is wide), then the facts."""
        yield Static(id="detail-welcome", markup=False)
        with Container(id="detail-top"):
            with VerticalGroup(id="detail-head"):
                yield Passage(id="detail-verdict")
                yield Passage(id="detail-about")
                yield ContextSlider()
                yield CachePicker()
            yield MemoryView()
        yield ActionLine(id="detail-actions")
        yield Facts(id="detail-facts")
        yield StoryView()

    def show_row(self, row: ModelRow, judged: Judged, machine: Machine | None) -> None:
        """Show a model and what is known of it so far."""
        self._show_controls(True)
        self.border_title = Content(one_line(row.name))
        self.verdict.show(_describe_verdict(judged))
        self.about.show(Content.styled(describe_row(row), MUTED))
        self.facts.show(facts_of(row, judged))
        report = report_of(judged)
        if report is not None:
            self._show_plan(report)
        elif isinstance(judged, SizedStudent):
            self._show_estimate(row, judged, machine)
        else:
            self._show_no_plan(machine)

    def show_story(self, row: ModelRow, story: StudentStory | None, report: FitReport | None) -> None:
        """Tell of its student; None where there is none to tell of."""
        self.story.show(story, row.quant, report)

    def await_story(self) -> None:
        """Nothing is told of another model; what there is to come will need about as much room."""
        self.story.visible = False

    def greet(self, text: str) -> None:
        """Say what a first-time user needs to know; "" when that is over."""
        self.welcome.display = bool(text)
        self.welcome.update(Content(text))

    def show_nothing(self, text: str, machine: Machine | None) -> None:
        """No model is selected."""
        self._show_controls(False)
        self.border_title = ""
        self.verdict.show(Content.styled(text, MUTED))
        self.about.show(Content())
        self.facts.show([])
        self.actions.show([])
        self.story.show(None, None, None)
        self._show_no_plan(machine)

    def _show_controls(self, shown: bool) -> None:
        self.slider.display = self.picker.display = shown

    def _show_plan(self, report: FitReport) -> None:
        self.slider.show(report.options.n_ctx, report.shape.n_ctx_train, report.max_n_ctx)
        self.picker.show(report.options.type_k)
        self.memory.show((*report.plan.devices, report.plan.host))

    def _show_estimate(self, row: ModelRow, sized: SizedStudent, machine: Machine | None) -> None:
        self.slider.show(sized.n_ctx, row.n_ctx_train, None)
        self.picker.show("f16")
        self.memory.show(estimated_places(sized, machine) if machine is not None else ())

    def _show_no_plan(self, machine: Machine | None) -> None:
        self.slider.show(None, None, None)
        self.picker.show(None)
        self.memory.show(bare_places(machine) if machine is not None else ())


def _describe_verdict(judged: Judged) -> Content:
    if judged is None:
        return Content.styled("looking what it takes …", MUTED)
    word = f"{MARKS[judged.verdict]} {'~' if is_estimate(judged) else ''}{judged.verdict.value}"
    return Content.assemble((word, f"bold ${COLORS[judged.verdict]}"), "  ", one_line(_reason(judged)))


def _reason(judged: FitReport | SizedStudent | Problem) -> str:
    report = report_of(judged)
    if report is not None:
        return report.reason
    if isinstance(judged, SizedStudent):
        size = f"about {format_bytes(judged.memory_bytes)}" if judged.memory_bytes is not None else "an unknown amount"
        return f"needs {size} at {format_count(judged.n_ctx)}, by an estimate"
    assert isinstance(judged, Problem)
    return judged.reason
